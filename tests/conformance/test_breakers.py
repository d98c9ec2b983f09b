"""What every `Breakers` promises. An adapter joins by a line in `ADAPTERS`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import pytest

from antiphon.clock import VirtualClock
from antiphon.connections.redis import RedisConnection
from antiphon.errors import ProviderUnavailable
from antiphon.ports.breakers import Breakers, Endpoint, Ticket
from antiphon.resilience.breaker import BreakerRule
from antiphon.state.embedded_breakers import EmbeddedBreakers
from antiphon.state.redis.breakers import RedisBreakers
from tests.conformance.redis_time import let_pass

OPEN_S, SLOW_S, PROBE_S = 30.0, 5.0, 60.0
LLM, TTS = Endpoint("llm:openai", is_shared=True), Endpoint("tts:openai", is_shared=True)


RULE = BreakerRule(failures=5, open_s=OPEN_S, slow_s=SLOW_S, probe_s=PROBE_S)


@dataclass
class Stage:
    """The breakers under test, and a way to let time pass for them."""

    breakers: Breakers
    advance: Callable[[float], None]


@asynccontextmanager
async def embedded(_: str) -> AsyncGenerator[Stage]:
    clock = VirtualClock()
    yield Stage(EmbeddedBreakers(RULE, clock), clock.advance)


@asynccontextmanager
async def redis(url: str) -> AsyncGenerator[Stage]:
    connection = RedisConnection(url)
    await connection.command("FLUSHDB")
    yield Stage(RedisBreakers(connection, RULE), partial(let_pass, url))
    await connection.close()


ADAPTERS: dict[str, Callable[[str], AbstractAsyncContextManager[Stage]]] = {"embedded": embedded, "redis": redis}


@pytest.fixture(params=list(ADAPTERS))
async def stage(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[Stage]:
    async with ADAPTERS[request.param](redis_url) as made:
        yield made


async def call(breakers: Breakers, ok: bool | None, *, endpoint: Endpoint = LLM, took_s: float = 0.0) -> Ticket:
    """One call from admission to outcome."""
    ticket = await breakers.admit(endpoint)
    await breakers.report(ticket, ok, took_s=took_s)
    return ticket


async def refused(breakers: Breakers, endpoint: Endpoint = LLM) -> bool:
    """Ask for a call; say whether it was refused."""
    try:
        await breakers.admit(endpoint)
    except ProviderUnavailable as error:
        return error.code == "circuit_open"
    return False


async def open_circuit(stage: Stage) -> None:
    for _ in range(5):
        await call(stage.breakers, False)


async def test_calls_go_through_a_closed_circuit(stage: Stage) -> None:
    for _ in range(3):
        assert not (await call(stage.breakers, True)).is_probe


async def test_five_failures_in_a_row_open_the_circuit(stage: Stage) -> None:
    for ok in (False, False, True, False, False, False, False):
        await call(stage.breakers, ok)
    assert not await refused(stage.breakers)
    await call(stage.breakers, False)
    assert await refused(stage.breakers)


async def test_failures_side_by_side_count_like_failures_in_turn(stage: Stage) -> None:
    tickets = [await stage.breakers.admit(LLM) for _ in range(5)]
    await asyncio.gather(*(stage.breakers.report(ticket, False) for ticket in tickets))
    assert await refused(stage.breakers)


async def test_what_says_nothing_does_not_count(stage: Stage) -> None:
    for ok in (False, None, False, None, False, False, None, None):
        await call(stage.breakers, ok)
    assert not await refused(stage.breakers)
    await call(stage.breakers, False)
    assert await refused(stage.breakers)


@pytest.mark.parametrize("ok", [True, None])
async def test_slow_calls_count_as_failures(stage: Stage, ok: bool | None) -> None:
    for _ in range(5):
        await call(stage.breakers, ok, took_s=SLOW_S + 1)
    assert await refused(stage.breakers)


async def test_each_endpoint_has_a_circuit_of_its_own(stage: Stage) -> None:
    await open_circuit(stage)
    assert await refused(stage.breakers)
    assert not await refused(stage.breakers, TTS)


async def test_after_the_open_time_one_probe_closes_the_circuit(stage: Stage) -> None:
    await open_circuit(stage)
    stage.advance(OPEN_S + 1)
    probe = await stage.breakers.admit(LLM)
    assert probe.is_probe
    assert await refused(stage.breakers)
    await stage.breakers.report(probe, True)
    for _ in range(2):
        assert not (await stage.breakers.admit(LLM)).is_probe


async def test_a_circuit_that_closed_counts_from_the_beginning(stage: Stage) -> None:
    await open_circuit(stage)
    stage.advance(OPEN_S + 1)
    for ok in (True, False, False, False, False):
        await call(stage.breakers, ok)
    assert not await refused(stage.breakers)
    await call(stage.breakers, False)
    assert await refused(stage.breakers)


async def test_a_probe_that_fails_opens_the_circuit_again(stage: Stage) -> None:
    await open_circuit(stage)
    stage.advance(OPEN_S + 1)
    assert (await call(stage.breakers, False)).is_probe
    assert await refused(stage.breakers)
    stage.advance(OPEN_S + 1)
    assert (await call(stage.breakers, True)).is_probe
    assert not await refused(stage.breakers)


async def test_a_slow_probe_has_failed(stage: Stage) -> None:
    await open_circuit(stage)
    stage.advance(OPEN_S + 1)
    await call(stage.breakers, True, took_s=SLOW_S + 1)
    assert await refused(stage.breakers)


async def test_a_probe_that_was_cancelled_gives_its_place_free(stage: Stage) -> None:
    await open_circuit(stage)
    stage.advance(OPEN_S + 1)
    for _ in range(3):
        assert (await call(stage.breakers, None)).is_probe


async def test_a_probe_that_is_never_heard_of_loses_its_place_and_its_say(stage: Stage) -> None:
    await open_circuit(stage)
    stage.advance(OPEN_S + 1)
    lost = await stage.breakers.admit(LLM)
    assert await refused(stage.breakers)
    stage.advance(PROBE_S + 1)
    assert (await stage.breakers.admit(LLM)).is_probe
    for ok in (True, False, None):
        await stage.breakers.report(lost, ok)
        assert await refused(stage.breakers)


@pytest.mark.parametrize("ok", [True, False, None])
async def test_outcomes_from_before_the_last_change_are_ignored(stage: Stage, ok: bool | None) -> None:
    late = [await stage.breakers.admit(LLM) for _ in range(6)]
    await open_circuit(stage)
    await stage.breakers.report(late.pop(), ok)
    assert await refused(stage.breakers)
    stage.advance(OPEN_S + 1)
    await call(stage.breakers, True)
    for ticket in late:
        await stage.breakers.report(ticket, ok)
    assert not await refused(stage.breakers)


async def test_an_outcome_said_twice_counts_no_probe_twice(stage: Stage) -> None:
    await open_circuit(stage)
    stage.advance(OPEN_S + 1)
    probe = await call(stage.breakers, True)
    await stage.breakers.report(probe, False)
    assert not await refused(stage.breakers)


# -- what only a shared circuit can show -------------------------------------------------------------------------


@asynccontextmanager
async def fleet(url: str, size: int, rule: BreakerRule) -> AsyncGenerator[list[RedisBreakers]]:
    """Breakers as so many processes have them: each over connections of its own."""
    async with AsyncExitStack() as stack:
        connections = [RedisConnection(url) for _ in range(size)]
        for connection in connections:
            stack.push_async_callback(connection.close)
        await connections[0].command("FLUSHDB")
        yield [RedisBreakers(connection, rule) for connection in connections]


async def test_what_one_process_learns_all_know(redis_url: str) -> None:
    async with fleet(redis_url, 4, RULE) as processes:
        for at in range(5):
            await call(processes[at % 4], False)
        assert all([await refused(breakers) for breakers in processes])
        let_pass(redis_url, OPEN_S + 1)
        assert (await call(processes[3], True)).is_probe
        assert not any([await refused(breakers) for breakers in processes])


async def test_an_engine_inside_a_process_is_nobody_else_s_circuit(redis_url: str) -> None:
    own = Endpoint("llm:smollm2")
    async with fleet(redis_url, 2, RULE) as (first, second):
        for _ in range(5):
            await call(first, False, endpoint=own)
        assert await refused(first, own)
        assert not await refused(second, own)


async def test_four_processes_never_have_two_probes_out(redis_url: str) -> None:
    """Eight callers in each of four processes ask all the time; half of what fails is only slow."""
    flusher = RedisConnection(redis_url)
    await flusher.command("FLUSHDB")
    await flusher.close()
    words = [sys.executable, "-m", "tests.conformance.breaker_caller", redis_url]
    running = [
        await asyncio.create_subprocess_exec(*words, str(seed), "4", "100", stdout=asyncio.subprocess.PIPE)
        for seed in range(4)
    ]
    reports = [json.loads((await process.communicate())[0].splitlines()[-1]) for process in running]
    probes = sorted(probe for report in reports for probe in report["probes"])
    assert len(probes) >= 20
    assert all(ended < begun for (_, ended), (begun, _) in pairwise(probes)), "one probe at a time"
    assert sum(report["calls"] for report in reports) > 2 * len(probes), "it closed again"
