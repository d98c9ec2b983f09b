"""Circuit breakers whose Redis goes away: each process continues on its own, and says so once."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from antiphon.clock import VirtualClock
from antiphon.connections.redis import RedisConnection
from antiphon.errors import ProviderUnavailable
from antiphon.ports.breakers import Endpoint
from antiphon.resilience.breaker import BreakerRule
from antiphon.state.redis.breakers import RedisBreakers
from tests.valkey import valkey

LLM = Endpoint("llm:openai", is_shared=True)


async def test_while_redis_is_away_a_circuit_is_local_and_then_shared_again() -> None:
    clock = VirtualClock()
    with valkey() as server:
        connection = RedisConnection(server.url, timeout_s=0.5)
        breakers = RedisBreakers(connection, BreakerRule(failures=2, open_s=30.0), clock)
        shared = await breakers.admit(LLM)
        assert shared.is_shared
        server.kill()
        with capture_logs() as logs:
            await breakers.report(shared, False)
            for _ in range(2):
                ticket = await breakers.admit(LLM)
                assert not ticket.is_shared
                await breakers.report(ticket, False)
            with pytest.raises(ProviderUnavailable) as refused:
                await breakers.admit(LLM)
            assert refused.value.code == "circuit_open"
            clock.advance(6.0)
            with pytest.raises(ProviderUnavailable):
                await breakers.admit(LLM)
            server.start()
            clock.advance(6.0)
            assert (await breakers.admit(LLM)).is_shared
        assert [entry["event"] for entry in logs if "shared" in entry["event"] or "local" in entry["event"]] == [
            "circuit breakers are local: redis is unavailable",
            "circuit breakers are shared again",
        ]
        await connection.close()


async def test_an_outcome_that_changes_nothing_is_not_sent() -> None:
    with valkey() as server:
        connection = RedisConnection(server.url)
        breakers = RedisBreakers(connection)
        ticket = await breakers.admit(LLM)
        before = (await connection.command("INFO", "commandstats"))["cmdstat_evalsha"]["calls"]
        await breakers.report(ticket, None)
        assert (await connection.command("INFO", "commandstats"))["cmdstat_evalsha"]["calls"] == before
        await connection.close()
