"""Events under kill -9: relays, consumers and Redis die at random, and every effect happens once and in order.

python -m tests.chaos.events --events 100000
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from antiphon.connections.redis import RedisConnection
from antiphon.entities.events import ANALYTICS, WEBHOOKS, Event
from antiphon.entities.history import Unit
from antiphon.errors import LeaseLost, ProviderUnavailable
from antiphon.events.redis.logs import RedisEventLogs
from antiphon.store.postgres import PostgresStore
from tests.postgres import Database, address, migrated, postgres
from tests.valkey import Valkey

ROLES = ("relay", "relay", "consumer", "consumer")
EACH = 20
"""Events of one session."""
TABLE = """CREATE TABLE effects (number bigserial PRIMARY KEY, event_id text UNIQUE, session_id text,
                                 session_sequence bigint)"""

UNDELIVERED = "SELECT count(*) FROM outbox_events WHERE delivered = 0"
DISORDER = """
SELECT count(*) FROM (
  SELECT session_sequence, max(session_sequence) OVER (PARTITION BY session_id ORDER BY number) AS highest FROM effects
) AS seen WHERE session_sequence < highest
"""


@dataclass
class Report:
    """What came of a run."""

    events: int
    effects: int
    disorder: int
    """Effects that came before one of an earlier event of their session."""
    undelivered: int
    seconds: float
    kills: Counter[str] = field(default_factory=Counter[str])

    def __str__(self) -> str:
        kills = ", ".join(f"{number} {name}" for name, number in sorted(self.kills.items())) or "none"
        return (
            f"{self.events} events, {self.effects} effects, {self.disorder} out of order, "
            f"{self.undelivered} undelivered; "
            f"{self.seconds:.1f} s, {self.events / self.seconds:.0f}/s; killed: {kills}"
        )

    @property
    def is_good(self) -> bool:
        """True if each event had its effect once and in order."""
        return (self.effects, self.disorder, self.undelivered) == (self.events, 0, 0)


class Workers:
    """Processes that are started again when they are killed."""

    def __init__(self, database: Database, valkey: Valkey) -> None:
        self._database = database
        self.valkey = valkey
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start all."""
        self._processes = [self._begin(role) for role in ROLES]

    def _begin(self, role: str) -> subprocess.Popen[bytes]:
        url = self._database.url("antiphon_jobs" if role == "relay" else "postgres")
        command = [sys.executable, "-m", "tests.chaos.event_worker", role, url, self.valkey.url]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self, chance: random.Random) -> str:
        """Kill one of them or Redis, and start it again; return its name."""
        number = chance.randrange(len(ROLES) + 1)
        if number == len(ROLES):
            self.valkey.kill()
            self.valkey.start()
            return "redis"
        self._processes[number].kill()
        self._processes[number].wait()
        self._processes[number] = self._begin(ROLES[number])
        return ROLES[number]

    def stop(self) -> None:
        """End all."""
        for process in self._processes:
            process.send_signal(signal.SIGKILL)
            process.wait()


async def run(server_url: str, valkey: Valkey, events: int, *, kills: int, seed: int, pause_s: float = 1.0) -> Report:
    """Write events in a random order of commits, kill ``kills`` times meanwhile, and count the effects."""
    chance = random.Random(seed)
    database = await migrated(server_url)
    admin = await asyncpg.connect(database.url("postgres"))
    await admin.execute(TABLE)
    workers = Workers(database, valkey)
    report = Report(events, 0, 0, 0, 0.0)
    workers.start()
    started = time.monotonic()
    try:
        writing = asyncio.create_task(_write(database, events, chance))
        acknowledging = asyncio.create_task(_acknowledge_others(valkey))
        for _ in range(kills):
            await asyncio.sleep(chance.uniform(0.2, 2.0) * pause_s)
            report.kills[await asyncio.to_thread(workers.kill, chance)] += 1
        await writing
        async with asyncio.timeout(60 + events / 200):
            while await admin.fetchval("SELECT count(*) FROM effects") < events:
                await asyncio.sleep(0.05)
            report.seconds = time.monotonic() - started
            while await admin.fetchval(UNDELIVERED):
                await asyncio.sleep(0.05)
        acknowledging.cancel()
    finally:
        workers.stop()
    report.undelivered = await admin.fetchval(UNDELIVERED)
    report.effects = await admin.fetchval("SELECT count(*) FROM effects")
    report.disorder = await admin.fetchval(DISORDER)
    await admin.close()
    return report


async def _write(database: Database, events: int, chance: random.Random) -> None:
    """Write the events of all sessions; those of one session are committed in any order."""
    store = PostgresStore(address(database.url("antiphon_app")))
    await store.start()
    units: list[Unit] = []
    for number in range(events):
        session, place = f"sess_{number // EACH}", number % EACH + 1
        event = Event("t", f"{session}:{place}", "AnalyticsChatStats", b'{"n": 1}', time.time(), session, place)
        units.append(Unit(events=(event,)))
    for start in range(0, events, 400):
        some = units[start : start + 400]
        chance.shuffle(some)
        await asyncio.gather(*(store.record(some[at : at + 50]) for at in range(0, len(some), 50)))
    await store.close()


async def _acknowledge_others(valkey: Valkey) -> None:
    """Read the log as the other group, so that it does not fill up."""
    connection = RedisConnection(valkey.url, timeout_s=2.0)
    other = RedisEventLogs(connection).subscribe(ANALYTICS, WEBHOOKS, "other")
    try:
        while True:
            with contextlib.suppress(ProviderUnavailable, LeaseLost):
                if taken := await other.take(1_000):
                    await other.acknowledge([one.position for one in taken])
                    continue
            await asyncio.sleep(0.1)
    finally:
        await connection.close()


@contextlib.contextmanager
def own_valkey() -> Iterator[Valkey]:
    """A server that may be killed."""
    with tempfile.TemporaryDirectory(prefix="antiphon-valkey-") as folder:
        made = Valkey(Path(folder))
        try:
            yield made
        finally:
            made.stop()


def main() -> int:
    """Run with the options of the command line; the exit code says whether all was well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with postgres() as server, own_valkey() as valkey:
        report = asyncio.run(run(server.url(), valkey, options.events, kills=options.kills, seed=options.seed))
    print(report)
    return 0 if report.is_good else 1


if __name__ == "__main__":
    raise SystemExit(main())
