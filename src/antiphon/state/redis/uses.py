"""Use counts shared by all gateways, in Redis."""

from __future__ import annotations

from antiphon.connections.redis import RedisConnection, Script

_GRACE_S = 300.0
"""How much longer a count is kept: Redis' clock may be ahead of the callers' clocks."""

_SPEND = Script.load("antiphon.state.redis", "spend")


class RedisUses:
    """A `Uses` in Redis."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection

    async def spend(self, name: str, use: str, most: int, until: float) -> bool:
        """Count a use of ``name``, unless ``most`` others were counted."""
        forget_ms = int((until + _GRACE_S) * 1000)
        return bool(await self._connection.run(_SPEND, [f"antiphon:uses:{name}"], use, most, forget_ms))
