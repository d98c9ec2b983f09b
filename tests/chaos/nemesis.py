"""Whoever kills, stops and continues members of a fleet while clients talk."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

from antiphon.client import Session
from tests.fleet import Fleet, Member

LEASE_S = 1.0
GROUPS = {"respond": "llm-workers", "speak": "tts-workers"}


class Nemesis:
    """Keeps two gateways and two of each worker, and lays hands on them one after the other."""

    def __init__(self, fleet: Fleet, seed: int) -> None:
        self._fleet = fleet
        self._random = random.Random(seed)
        self.log: list[str] = []
        self.interrupted: Counter[str] = Counter()
        """Jobs that somebody had in its hands when it was killed, by role."""
        self.gateways = [fleet.gateway(), fleet.gateway()]
        self.workers: dict[str, list[Member]] = {
            role: [self._worker(role), self._worker(role)] for role in ("respond", "speak")
        }

    def _worker(self, role: str) -> Member:
        return self._fleet.worker(role, *(("persist",) if role == "respond" else ()))

    async def ready(self) -> list[str]:
        """Wait for everybody; return where the gateways are."""
        members = [*self.gateways, *(member for crew in self.workers.values() for member in crew)]
        await asyncio.gather(*(asyncio.to_thread(lambda one=member: one.url) for member in members))
        return [gateway.url for gateway in self.gateways]

    # -- what can happen ---------------------------------------------------------------------------------------------
    async def kill_worker(self, role: str) -> None:
        """End a worker without a word; another comes in its place."""
        crew = self.workers[role]
        victim = crew.pop(self._random.randrange(len(crew)))
        crew.append(self._worker(role))
        self.interrupted[role] += await asyncio.to_thread(self._fleet.held, role, GROUPS[role], victim)
        await asyncio.to_thread(victim.kill)
        await asyncio.to_thread(lambda: crew[-1].url)

    async def stop_worker(self, role: str) -> None:
        """Let a worker sleep past its leases, then go on as if nothing had been."""
        victim = self._random.choice(self.workers[role])
        with victim.asleep():
            await asyncio.sleep(self._random.uniform(1.2, 1.8) * LEASE_S)

    async def kill_gateway(self) -> None:
        """End a gateway without a word; one comes back at the same address."""
        index = self._random.randrange(2)
        await asyncio.to_thread(self.gateways[index].kill)
        await self._replace(index)

    async def stop_gateway(self) -> None:
        """Let a gateway sleep until its clients have gone elsewhere, then go on as if nothing had been."""
        victim = self._random.choice(self.gateways)
        with victim.asleep():
            await asyncio.sleep(4)

    async def restart_gateway(self) -> None:
        """Ask a gateway to end, and start another at the same address."""
        index = self._random.randrange(2)
        code = await asyncio.to_thread(self.gateways[index].terminate)
        assert code == 0, f"a gateway that was asked to end did so with {code}"
        await self._replace(index)

    async def _replace(self, index: int) -> None:
        self.gateways[index] = self._fleet.gateway(self.gateways[index].port)
        await asyncio.to_thread(lambda: self.gateways[index].url)

    async def kill_redis(self) -> None:
        """End Redis without a word; it comes back a moment later."""
        await asyncio.to_thread(self._fleet.valkey.kill)
        await asyncio.sleep(0.3)
        await asyncio.to_thread(self._fleet.valkey.start)

    async def cut_clients(self, sockets: Mapping[str, Session]) -> None:
        """Lose connections as a network does: nothing more comes, and what was on its way is gone."""
        await asyncio.gather(*(session.lose(deaf_s=self._random.uniform(0.1, 0.6)) for session in sockets.values()))

    # -- the plan ----------------------------------------------------------------------------------------------------
    def plan(self, sockets: Mapping[str, Session]) -> dict[str, Callable[[], Awaitable[None]]]:
        """Return all that can happen, by name."""
        return {
            "cut clients": lambda: self.cut_clients(sockets),
            "kill speak": lambda: self.kill_worker("speak"),
            "stop speak": lambda: self.stop_worker("speak"),
            "kill gateway": self.kill_gateway,
            "kill redis": self.kill_redis,
            "stop gateway": self.stop_gateway,
            "kill respond": lambda: self.kill_worker("respond"),
            "stop respond": lambda: self.stop_worker("respond"),
            "restart gateway": self.restart_gateway,
        }

    async def run(
        self, sockets: Mapping[str, Session], is_over: Callable[[], bool], only: frozenset[str] = frozenset()
    ) -> None:
        """Let everything happen once, then anything, until it ``is_over``."""
        plan = {name: act for name, act in self.plan(sockets).items() if not only or name in only}
        names = list(plan)
        while names or not is_over():
            name = names.pop(0) if names else self._random.choice(list(plan))
            self.log.append(name)
            await plan[name]()
            await asyncio.sleep(self._random.uniform(0.3, 1.0))
