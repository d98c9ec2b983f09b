"""Talk to a fleet for long, and look whether anything grows: memory, descriptors, threads, Redis.

python -m tests.chaos.soak [--seconds 1800] [--talkers 50]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import redis

from antiphon.client import Session
from tests.chaos.history import History, violations
from tests.chaos.run import FLEET, WHOLE
from tests.chaos.talkers import talk
from tests.fleet import Fleet, Member, fleet

TURNS_S = 20.0
"""So long one session talks; then its client begins a new one."""
GROWTH: Mapping[str, tuple[float, float]] = {
    "memory MiB": (1.05, 6.0),
    "descriptors": (1.0, 8.0),
    "threads": (1.0, 4.0),
    "redis keys": (1.05, 40.0),
    "redis keys that never expire": (1.0, 8.0),
    "redis memory MiB": (1.05, 2.0),
}
"""How much the last quarter may lie above the second: times so much, and so much more."""


@dataclass(frozen=True)
class Sample:
    """What was there at one moment, by name."""

    at: float
    figures: dict[str, float]


def look(members: Mapping[str, Member], client: redis.Redis) -> dict[str, float]:
    """Measure everybody."""
    found: dict[str, float] = {}
    for name, member in members.items():
        process = Path(f"/proc/{member.process.pid}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        found[f"{name} memory MiB"] = int(status["VmRSS"].split()[0]) / 1024
        found[f"{name} threads"] = int(status["Threads"])
        found[f"{name} descriptors"] = len(list((process / "fd").iterdir()))
    found["redis keys"] = client.dbsize()
    space: dict[str, int] = client.info("keyspace").get("db0", {"keys": 0, "expires": 0})
    found["redis keys that never expire"] = space["keys"] - space["expires"]
    found["redis memory MiB"] = client.info("memory")["used_memory"] / 2**20
    return found


def growth(samples: list[Sample]) -> list[str]:
    """Return what has grown, as sentences."""
    found: list[str] = []
    quarter = max(1, len(samples) // 4)
    for name in samples[0].figures:
        before = median(sample.figures[name] for sample in samples[quarter : 2 * quarter])
        after = median(sample.figures[name] for sample in samples[-quarter:])
        times, more = next(bound for kind, bound in GROWTH.items() if name.endswith(kind))
        if after > before * times + more:
            found.append(f"{name} has grown from {before:.0f} to {after:.0f}")
    return found


async def _visits(name: str, urls: list[str], until: float) -> list[History]:
    """One client, one session after the other."""
    histories: list[History] = []
    loop = asyncio.get_running_loop()
    while loop.time() < until:
        stop = asyncio.Event()
        handle = loop.call_later(min(TURNS_S, until - loop.time()), stop.set)
        sockets: dict[str, Session] = {}
        histories.append(await talk(History(f"{name} visit {len(histories)}"), urls, stop, sockets))
        handle.cancel()
        if histories[-1].trouble:
            break
    return histories


async def soak(made: Fleet, *, seconds: float, talkers: int) -> tuple[list[Sample], list[str], int]:
    """Talk for so long; return the samples, what went wrong, and how many turns there were."""
    members = {
        "gateway": made.gateway(),
        "other gateway": made.gateway(),
        "worker": made.worker("respond", "speak", "persist"),
    }
    urls = [await asyncio.to_thread(lambda one=member: one.url) for member in members.values()][:2]
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    visits = [
        asyncio.create_task(_visits(f"client {number}", urls[number % 2 :] + urls[: number % 2], until))
        for number in range(talkers)
    ]
    samples: list[Sample] = []
    with redis.Redis.from_url(made.valkey.url) as client:
        while loop.time() < until:
            await asyncio.sleep(min(5.0, seconds / 24))
            samples.append(Sample(loop.time(), look(members, client)))
    histories = [history for visit in await asyncio.gather(*visits) for history in visit]
    complaints = [one for history in histories for one in violations(history, WHOLE)]
    return samples, complaints, sum(len(history.turns) for history in histories)


def main() -> int:
    """Run what the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--talkers", type=int, default=50)
    asked = parser.parse_args()
    begin = time.monotonic()
    # The real time constants: 30 s without a sign of life, leases of 10 s.
    with fleet(**FLEET | {"session_liveness_s": 30, "bus_lease_s": 10, "session_sweep_s": 30}) as made:
        samples, complaints, turns = asyncio.run(soak(made, seconds=asked.seconds, talkers=asked.talkers))
    grown = growth(samples)
    first, last = samples[len(samples) // 4].figures, samples[-1].figures
    for name in first:
        print(f"{name:<28} {first[name]:8.1f} {last[name]:8.1f}")
    print(f"{asked.talkers} clients, {turns} turns in {time.monotonic() - begin:.0f} s")
    print(f"grown: {'; '.join(grown) or 'nothing'}")
    print(f"broken promises: {len(complaints)}", *complaints[:10], sep="\n")
    return 1 if grown or complaints else 0


if __name__ == "__main__":
    sys.exit(main())
