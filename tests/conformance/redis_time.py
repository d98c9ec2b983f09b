"""Time passes in Redis at once: every time that it keeps lies so much further in the past."""

from __future__ import annotations

import math
from typing import Any

import redis

from antiphon.connections.redis import RedisConnection


def let_pass(url: str, seconds: float) -> None:
    """Shift deadlines in hashes, sorted sets and streams, and let keys expire."""
    ms = math.ceil(seconds * 1000)
    with redis.Redis.from_url(url, decode_responses=False) as client:
        for key in client.scan_iter():
            match client.type(key):
                case b"hash" if client.hexists(key, "until"):
                    client.hincrby(key, "until", -ms)
                case b"zset":
                    for member, _ in _read(client.zrange(key, 0, -1, withscores=True)):
                        client.zincrby(key, -ms, member)
                case b"stream":
                    _shift(client, key, ms)
                case _:
                    pass
            left_ms = int(_read(client.pttl(key)))
            if 0 < left_ms <= ms:
                client.delete(key)
            elif left_ms > 0:
                client.pexpire(key, left_ms - ms)


def _shift(client: redis.Redis, key: bytes, ms: int) -> None:
    """Write the entries of a stream once more under older ids."""
    left_ms = int(_read(client.pttl(key)))
    entries = _read(client.xrange(key))
    client.delete(key)
    for entry_id, fields in entries:
        at, _, number = entry_id.decode().partition("-")
        client.xadd(key, fields, id=f"{int(at) - ms}-{number}")
    if left_ms > 0:
        client.pexpire(key, left_ms)


def _read(reply: Any) -> Any:
    return reply


class AgedConnection(RedisConnection):
    """A connection that has been there for as long as its test says."""

    aged_s = 0.0

    @property
    def reachable_since(self) -> float | None:
        """As of the connection itself, and earlier."""
        since = super().reachable_since
        return None if since is None else since - self.aged_s
