"""Uses that all gateways count together, in Redis."""

from __future__ import annotations

from antiphon.connections.redis import RedisConnection, Script

_GRACE_S = 300.0
"""So much longer a count is kept: the clock of Redis may be ahead of those that decide when something ends."""

_SPEND = Script.load("antiphon.state.redis", "spend")


class RedisUses:
    """A `Uses` in Redis."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection

    async def spend(self, name: str, use: str, most: int, until: float) -> bool:
        """Count a use of ``name``, unless it was used ``most`` times."""
        forget_ms = int((until + _GRACE_S) * 1000)
        return bool(await self._connection.run(_SPEND, [f"antiphon:uses:{name}"], use, most, forget_ms))
