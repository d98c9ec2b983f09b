"""A process that keeps calling an endpoint which fails at first; prints when its probes were out, as JSON.

python -m tests.conformance.breaker_caller URL SEED PROBES CALLS
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time

from antiphon.connections.redis import RedisConnection
from antiphon.errors import ProviderUnavailable
from antiphon.ports.breakers import Endpoint
from antiphon.resilience.breaker import BreakerRule
from antiphon.state.redis.breakers import RedisBreakers

RULE = BreakerRule(failures=5, open_s=0.02, slow_s=5.0, probe_s=30.0)
LLM = Endpoint("llm:openai", is_shared=True)
CALLERS = 8


async def main(url: str, seed: int, bad_probes: int, good_calls: int) -> None:
    """Call with `CALLERS` tasks. After ``bad_probes`` probes of ours the endpoint is healthy, for ``good_calls``."""
    chance = random.Random(seed)
    probes: list[tuple[float, float]] = []
    calls, left = 0, good_calls
    connection = RedisConnection(url)
    breakers = RedisBreakers(connection, RULE)

    async def caller() -> None:
        nonlocal calls, left
        while left > 0:
            try:
                ticket = await breakers.admit(LLM)
            except ProviderUnavailable:
                await asyncio.sleep(chance.uniform(0, 0.002))
                continue
            calls += 1
            begin = time.monotonic()  # of the machine: it can be compared between processes
            await asyncio.sleep(chance.uniform(0, 0.01))
            if ticket.is_probe:
                probes.append((begin, time.monotonic()))
            is_healthy = len(probes) > bad_probes
            left -= is_healthy
            took_s = 0.0 if is_healthy or chance.random() < 0.5 else RULE.slow_s + 1  # slow calls count
            await breakers.report(ticket, is_healthy or took_s > 0, took_s=took_s)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    await connection.close()
    print(json.dumps({"probes": probes, "calls": calls}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
