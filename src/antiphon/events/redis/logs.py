"""The event logs of a fleet: Redis streams with consumer groups, one active consumer each."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from antiphon import ids
from antiphon.connections.redis import RedisConnection, Script
from antiphon.entities.events import DEAD, GROUPS, DeadEvent, Delivery, Event, GroupLag, Log
from antiphon.errors import LeaseLost
from antiphon.events.limits import MOST_DUE, SUSPECT, LogLimit, check, full

_PUBLISH, _TAKE, _SETTLE, _BURY = (
    Script.load("antiphon.events.redis", name) for name in ("publish", "take", "settle", "bury")
)
_TRIMMED = 1_000
"""Most entries that one publication drops."""
_AT_ONCE = 500
"""Most events in one call: a script blocks Redis."""
_FIELDS = ("tenant_id", "event_id", "type", "payload", "created_at", "session_id", "session_sequence")
"""Fields of an entry, in the order of those of an event."""
_NUMBER = re.compile(r"\d+(\.\d+)?(e[+-]?\d+)?")


class RedisEventLogs:
    """`EventLogs` over Redis. The connection belongs to the caller."""

    def __init__(self, connection: RedisConnection, limit: LogLimit | None = None) -> None:
        self.connection = connection
        self.limit = limit or LogLimit()

    async def publish(self, log: Log, events: Sequence[Event]) -> None:
        """Append events. Raises `Overloaded`, `InvalidRequest`, `ProviderUnavailable`."""
        check(events)
        for start in range(0, len(events), _AT_ONCE):
            await self._publish(log, events[start : start + _AT_ONCE], "")

    async def _publish(self, log: Log, events: Sequence[Event], only_group: str) -> None:
        groups = GROUPS[log]
        values = chain.from_iterable(_values(event) for event in events)
        arguments = (self.limit.capacity, _TRIMMED, only_group, len(groups), *groups, *values)
        if not await self.connection.run(_PUBLISH, (log, _ids(log)), *arguments):
            raise full(log, self.limit.capacity)

    def subscribe(self, log: Log, group: str, consumer: str) -> RedisSubscription:
        """Return a consumer of a group."""
        return RedisSubscription(self, log, group, consumer)

    async def lags(self) -> Sequence[GroupLag]:
        """Return how far every group is behind. Raises `ProviderUnavailable`."""
        return [await self._lag(log, group) for log, groups in GROUPS.items() for group in groups]

    async def _lag(self, log: Log, group: str) -> GroupLag:
        length: int = await self.connection.command("XLEN", log)
        groups: list[Any] = await self.connection.command("XINFO", "GROUPS", log) if length else []
        state = next((one for one in map(_pairs, groups) if one[b"name"] == group.encode()), None)
        if state is None:
            return GroupLag(log, group, length, 0, 0.0)
        unread, pending, (now_s, _) = await self.connection.batch(
            [
                ("XRANGE", log, b"(" + state[b"last-delivered-id"], "+", "COUNT", 1),
                ("XPENDING", log, group),
                ("TIME",),
            ]
        )
        waiting = [entry for entry in (pending["min"], *(row[0] for row in unread)) if entry]
        age_s = max(0.0, int(now_s) - min(map(_published_at, waiting))) if waiting else 0.0
        lag: int | None = state[b"lag"]
        return GroupLag(log, group, length if lag is None else lag, pending["pending"], age_s)

    async def tail(self, log: Log, after: str = "", limit: int = 100) -> Sequence[Delivery]:
        """Return the events behind a position, or the newest. Raises `ProviderUnavailable`."""
        if after:
            rows = await self.connection.command("XRANGE", log, f"({after}", "+", "COUNT", limit)
        else:
            rows = reversed(await self.connection.command("XREVRANGE", log, "+", "-", "COUNT", limit))
        return [_delivery(entry, fields) for entry, fields in rows]

    async def dead(self, limit: int = 100) -> Sequence[DeadEvent]:
        """Return the dead events, oldest first. Raises `ProviderUnavailable`."""
        rows = await self.connection.command("XRANGE", DEAD, "-", "+", "COUNT", limit)
        return [_dead(fields) for _, fields in rows]

    async def retry(self, dead_ids: Collection[str]) -> int:
        """Deliver dead events to their group again. Raises `Overloaded`, `ProviderUnavailable`."""
        done = 0
        for dead_id in dead_ids:
            entry = await self.connection.command("HGET", _ids(DEAD), dead_id)
            found = entry and await self.connection.command("XRANGE", DEAD, entry, entry)
            if found:
                dead = _dead(found[0][1])
                await self._publish(dead.log, [dead.event], dead.group)
                await self.connection.batch([("XDEL", DEAD, entry), ("HDEL", _ids(DEAD), dead_id)])
                done += 1
        return done

    async def bury(self, log: Log, group: str, delivery: Delivery, reason: str) -> None:
        """Add a dead event. Raises `ProviderUnavailable`."""
        dead_id = f"{group}:{delivery.event.event_id}"
        about = {"dead_id": dead_id, "log": log, "group": group, "reason": reason}
        event = dict(zip(_FIELDS, _values(delivery.event), strict=True))
        fields = {**about, "attempts": delivery.attempt, "at": time.time(), **event}
        arguments = chain.from_iterable(fields.items())
        await self.connection.run(_BURY, (DEAD, _ids(DEAD)), dead_id, self.limit.dead, *arguments)


class RedisSubscription:
    """A `Subscription` of `RedisEventLogs`."""

    def __init__(self, logs: RedisEventLogs, log: Log, group: str, consumer: str) -> None:
        self._logs = logs
        self._log: Log = log
        self._group = group
        self._consumer = consumer
        self._token = f"{consumer}:{ids.token(12)}"
        self._lease_ms = math.ceil(logs.limit.lease_s * 1000)
        self._held: set[str] = set()
        """Positions that were taken and not settled."""
        self._keys = (log, *(f"{{{log}}}:{group}:{name}" for name in ("state", "due", "attempts")))

    async def take(self, limit: int) -> Sequence[Delivery]:
        """Return the events that are due. Raises `ProviderUnavailable`."""
        arguments = (self._group, self._consumer, self._token, self._lease_ms, limit, SUSPECT, MOST_DUE)
        rows = await self._logs.connection.run(_TAKE, self._keys, *arguments, *self._held)
        taken = [_delivery(entry, _pairs(flat), attempts + 1) for entry, attempts, flat in rows]
        self._held.update(one.position for one in taken)
        return taken

    async def renew(self) -> None:
        """Stay active. Raises `LeaseLost`, `ProviderUnavailable`."""
        await self._settle(-1, ())

    async def acknowledge(self, positions: Collection[str]) -> None:
        """Note that events are processed. Raises `LeaseLost`, `ProviderUnavailable`."""
        await self._settle(-1, positions)

    async def postpone(self, position: str, delay_s: float) -> None:
        """Deliver an event again later. Raises `LeaseLost`, `ProviderUnavailable`."""
        await self._settle(math.ceil(delay_s * 1000), (position,))

    async def bury(self, delivery: Delivery, reason: str) -> None:
        """Move an event to the dead ones. Raises `LeaseLost`, `ProviderUnavailable`."""
        await self.renew()
        # first there, then away: in a cluster the two are on different nodes, and a repeated one replaces itself
        await self._logs.bury(self._log, self._group, delivery, reason)
        await self._settle(-1, (delivery.position,))

    async def leave(self) -> None:
        """Let another consumer become active. Raises `ProviderUnavailable`."""
        self._held.clear()
        await self._logs.connection.run(_SETTLE, self._keys, self._group, self._token, 0, -1)

    async def _settle(self, delay_ms: int, positions: Collection[str]) -> None:
        arguments = (self._group, self._token, self._lease_ms, delay_ms, *positions)
        if not await self._logs.connection.run(_SETTLE, self._keys, *arguments):
            self._held.clear()
            raise LeaseLost(f"another consumer of {self._group} is active")
        self._held.difference_update(positions)


def _ids(log: str) -> str:
    return f"{{{log}}}:ids"


def _values(event: Event) -> tuple[str | bytes | float | int, ...]:
    return (
        *(event.tenant, event.event_id, event.type, event.payload, repr(event.created_at)),
        *(event.session_id, event.session_sequence),
    )


def _pairs(flat: Sequence[Any]) -> dict[bytes, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _event(fields: dict[bytes, Any]) -> Event:
    """Return the event of an entry; other programs may write entries with a type and a payload only."""
    text = {name: fields.get(name.encode(), b"").decode(errors="replace") for name in _FIELDS if name != "payload"}
    created_at, sequence = text["created_at"], text["session_sequence"]
    return Event(
        tenant=text["tenant_id"] or "default",
        event_id=text["event_id"],
        type=text["type"],
        payload=fields.get(b"payload", b"{}"),
        created_at=float(created_at) if _NUMBER.fullmatch(created_at) else 0.0,
        session_id=text["session_id"],
        session_sequence=int(sequence) if sequence.isdecimal() else 0,
    )


def _delivery(entry: bytes, fields: dict[bytes, Any], attempt: int = 1) -> Delivery:
    event, position = _event(fields), entry.decode()
    event = event if event.event_id else replace(event, event_id=position)
    return Delivery(position, event, attempt, _published_at(entry))


def _published_at(entry: bytes) -> float:
    """Return the time in the id of an entry, seconds since the epoch."""
    return int(entry.partition(b"-")[0]) / 1000


def _dead(fields: dict[bytes, Any]) -> DeadEvent:
    text = {name: fields[name.encode()].decode() for name in ("dead_id", "group", "reason")}
    log: Any = fields[b"log"].decode()
    attempts, at = int(fields[b"attempts"]), float(fields[b"at"])
    return DeadEvent(text["dead_id"], log, text["group"], text["reason"], attempts, at, _event(fields))
