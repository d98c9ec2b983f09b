"""The contents of a Redis that the former release has used, loaded into a server with its times moved to now.

``tests/contract/former_release/redis.msgpack.zz`` was written by the code of commit d94a30b, whose worker and then
gateway were killed while sessions were open and jobs of all kinds were waiting. ``facts`` names the sessions.
"""

from __future__ import annotations

import functools
import time
import zlib
from pathlib import Path
from typing import Any

import msgspec
import redis

_FILE = Path(__file__).parent / "contract" / "former_release" / "redis.msgpack.zz"
_LEFT_S = 600
"""Time that sessions and jobs have left."""


class Stream(msgspec.Struct):
    """A stream with its consumer groups."""

    entries: list[tuple[bytes, dict[bytes, bytes]]]
    groups: list[tuple[bytes, bytes, list[tuple[bytes, bytes]]]]
    """Name, last id delivered, and the ids that a consumer has."""


class Made(msgspec.Struct):
    """A conversation of the state machine alone: an answer in progress that has a text and two function calls."""

    frame: bytes
    items: dict[str, bytes]
    whole: bytes
    job: str


class Written(msgspec.Struct):
    """What the former release has left."""

    facts: dict[str, dict[str, Any]]
    keys: list[tuple[bytes, str, Any]]
    """Name, type and value of each key in Redis."""
    snapshot: Made

    def hashes(self, start: str) -> dict[str, dict[bytes, bytes]]:
        """Return the hashes whose names begin with ``start``."""
        return {
            key.decode(): value for key, kind, value in self.keys if kind == "hash" and key.startswith(start.encode())
        }

    def stream(self, key: str) -> Stream:
        """Return the stream of this name."""
        (value,) = (value for name, _, value in self.keys if name.decode() == key)
        return msgspec.convert(value, Stream)

    def session(self, name: str) -> tuple[bytes, dict[str, bytes]]:
        """Return the frame and the items of the session that ``facts`` calls ``name``."""
        key = f"t:default:session:{{{self.facts[name]['session']}}}"
        items = self.hashes(f"{key}:items").get(f"{key}:items", {})
        return self.hashes(key)[key][b"snapshot"], {item_id.decode(): item for item_id, item in items.items()}

    def jobs(self) -> list[bytes]:
        """Return all jobs that wait in queues."""
        return [job[b"data"] for job in self.hashes("antiphon:queue:").values() if b"data" in job]


@functools.cache
def written() -> Written:
    """Return what the former release has left."""
    return msgspec.msgpack.decode(zlib.decompress(_FILE.read_bytes()), type=Written)


def restore(client: redis.Redis) -> None:
    """Load it into an empty server. No session and no job has run out, and all leases have."""
    now_ms = time.time() * 1000
    for name, kind, value in written().keys:
        key = name.decode()
        if key.endswith(":asked"):
            continue
        match kind:
            case "hash":
                client.hset(key, mapping=_refreshed(key, value))
            case "zset":
                due = now_ms if key.endswith(":due") else now_ms + _LEFT_S * 1000
                client.zadd(key, {member: due for member, _ in value})
            case "stream":
                _load_stream(client, key, msgspec.convert(value, Stream))
            case _:
                raise AssertionError(f"{key} is a {kind}")


def _refreshed(key: str, fields: dict[bytes, bytes]) -> dict[bytes, bytes]:
    fresh = dict(fields)
    if b"until" in fields and b"snapshot" in fields:
        fresh[b"until"] = b"%d" % ((time.time() + _LEFT_S) * 1000)
    if b"data" in fields and key.startswith("antiphon:queue:"):
        fresh[b"data"] = msgspec.msgpack.encode(_in_time(msgspec.msgpack.decode(fields[b"data"])))
    if fields.get(b"jobs"):
        pending = msgspec.msgpack.decode(fields[b"jobs"])
        fresh[b"jobs"] = msgspec.msgpack.encode([_in_time(job) for job in pending])
    return fresh


def _in_time(job: dict[str, Any]) -> dict[str, Any]:
    """Return a job, as maps, with new deadlines and otherwise as it was."""
    deadline = time.time() + _LEFT_S
    work = {**job["work"], "until_s": deadline} if "until_s" in job["work"] else job["work"]
    return {**job, "work": work, "deadline_s": job["deadline_s"] and deadline}


def _load_stream(client: redis.Redis, key: str, stream: Stream) -> None:
    for entry_id, fields in stream.entries:
        client.xadd(key, dict(fields), id=entry_id)
    for group, last_id, held in stream.groups:
        client.xgroup_create(key, group, id=last_id, mkstream=True)
        for entry_id, consumer in held:
            client.xclaim(key, group, consumer, 0, [entry_id], force=True, justid=True)
