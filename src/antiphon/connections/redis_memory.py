"""Memory use and eviction policy of Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from antiphon.connections.redis import RedisConnection
from antiphon.errors import ProviderUnavailable

SHORT, ENOUGH = 0.9, 0.85
"""Shares of maxmemory: new sessions are refused from the first on, until use is below the second."""
_LOOK_S = 2.0
_FIELDS = frozenset({"used_memory", "maxmemory", "maxmemory_policy"})

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RedisMemory:
    """Memory of one master."""

    used_bytes: int
    limit_bytes: int
    """0 without a limit."""
    policy: str


@dataclass(frozen=True, slots=True)
class Flaw:
    """A configuration with which Redis may lose live data, or use all memory."""

    says: str
    mend: str


async def ask(connection: RedisConnection) -> list[RedisMemory]:
    """Return the memory of every master that reports it. Raises `ProviderUnavailable`."""
    return read(await connection.info("memory"))


def read(infos: Iterable[Mapping[str, Any]]) -> list[RedisMemory]:
    """Parse sections ``memory`` of INFO; incomplete ones are skipped."""
    return [
        RedisMemory(int(info["used_memory"]), int(info["maxmemory"]), str(info["maxmemory_policy"]))
        for info in infos
        if info.keys() >= _FIELDS
    ]


def flaws(masters: Sequence[RedisMemory]) -> list[Flaw]:
    """Return the flaws in the configuration of these masters."""
    found: list[Flaw] = []
    if any(not master.limit_bytes for master in masters):
        found.append(
            Flaw("maxmemory is not set: Redis may use all memory of its machine", "set maxmemory, e.g. to 2gb")
        )
    for policy in sorted({master.policy for master in masters} - {"noeviction"}):
        says = f"maxmemory-policy is {policy}: Redis may evict sessions and results in use"
        found.append(Flaw(says, "set maxmemory-policy to noeviction"))
    return found


def used_share(masters: Sequence[RedisMemory]) -> float:
    """Return the highest share of used memory of all masters, 0 to 1 and beyond; 0 without a limit."""
    return max((master.used_bytes / master.limit_bytes for master in masters if master.limit_bytes), default=0.0)


class MemoryWatch:
    """Watches whether Redis has room for new sessions; they are refused before Redis refuses all writes."""

    def __init__(self, connection: RedisConnection, on_share: Callable[[float], None] = lambda _: None) -> None:
        """``on_share`` gets the highest share of used memory."""
        self._connection = connection
        self._on_share = on_share
        self._is_short = False

    @property
    def has_room(self) -> bool:
        """False while Redis is nearly full."""
        return not self._is_short

    async def start(self) -> None:
        """Look once, and warn of an unsafe configuration. Raises `ProviderUnavailable`."""
        for flaw in flaws(await self.look()):
            _log.warning("redis is configured unsafely", flaw=flaw.says, mend=flaw.mend)

    async def run(self) -> None:
        """Look every 2 s; while Redis is unavailable the last state holds."""
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                await self.look()
            except ProviderUnavailable as error:
                _log.debug("redis memory check failed", error=str(error))

    async def look(self) -> list[RedisMemory]:
        """Look once, and return the memory of the masters. Raises `ProviderUnavailable`."""
        masters = await ask(self._connection)
        share = used_share(masters)
        self._on_share(share)
        is_short = share >= (ENOUGH if self._is_short else SHORT)
        if is_short != self._is_short:
            self._is_short = is_short
            if is_short:
                _log.warning("redis nearly full: new sessions are refused", used_share=round(share, 3))
            else:
                _log.info("redis memory recovered: new sessions are accepted", used_share=round(share, 3))
        return masters
