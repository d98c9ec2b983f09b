"""Sessions shared by all gateways, in Redis: data and heartbeat in separate keys, every write fenced by an epoch."""

from __future__ import annotations

import math
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import structlog

from antiphon import ids
from antiphon.connections.redis import Argument, RedisConnection, Script
from antiphon.errors import Fenced, NotFound
from antiphon.ids import conversation_id
from antiphon.ports.sessions import (
    NOBODY,
    Change,
    EndedSession,
    Saved,
    SavedContent,
    SessionOwner,
    SessionRecord,
    Taken,
)

_GRACE_MS = 120_000
"""How much longer than its resume window the data of a session stays, for clean-up."""
_AT_ONCE = 100
PROJECT = "default"
"""All sessions belong to one project."""
_MEMBER = re.compile(r"(\S+) (\S+)")
_TAKEN = re.compile(r"(\S+) (\S+) ([0-9]{1,18})")
"""Entries of another form were written by other programs and are skipped."""

_ACQUIRE, _SAVE, _FIND, _RELEASE, _REAP, _PEEK, _STOP = (
    Script.load("antiphon.state.redis", name) for name in ("acquire", "save", "find", "release", "reap", "peek", "stop")
)


_log = structlog.get_logger(__name__)


class RedisSessions:
    """A `Sessions` in Redis.

    A session without a heartbeat for ``liveness_s`` counts as disconnected, and is over one resume window later. The
    caller of `expired` cleans up after such sessions; without a caller, Redis forgets them two minutes later. Epochs
    come from Redis' clock and are never reused, so that the owner of a forgotten session cannot write into a new one
    with the same id.
    """

    def __init__(
        self,
        connection: RedisConnection,
        *,
        resume_window_s: float = 60.0,
        liveness_s: float = 30.0,
        event_window_s: float = 60.0,
        kind: str = "session",
    ) -> None:
        """``kind`` separates keys, channels and clean-up of streams other than conversations."""
        self._connection = connection
        self._resume_ms = math.ceil(resume_window_s * 1000)
        self._liveness_ms = math.ceil(liveness_s * 1000)
        self._events_ms = math.ceil(event_window_s * 1000)
        self._kind = kind
        self._index = f"antiphon:{kind}s"
        """Sorted set of all sessions, by the time when their resume window may be over."""
        self._taken = f"antiphon:taken:{kind}:"
        """Prefix of a gateway's channel, which names the sessions that others take from it."""

    async def claim(self, tenant: str, session_id: str, gateway_id: str, owner: SessionOwner = NOBODY) -> SessionRecord:
        """Become the gateway of a session under the next epoch."""
        (epoch,) = await self._own(tenant, session_id, gateway_id, "", owner)
        return SessionRecord(session_id, tenant, int(epoch), gateway_id, "connected", owner)

    async def resume(
        self, tenant: str, session_id: str, gateway_id: str, owner: SessionOwner = NOBODY
    ) -> tuple[SessionRecord, Saved]:
        """Become the gateway of a saved session of this owner. Raises `NotFound`."""
        found = await self._own(tenant, session_id, gateway_id, "resume", owner)
        if not found:
            raise NotFound(f"There is no session '{session_id}' to resume.", code="session_not_found")
        epoch, snapshot, position, jobs, flat, events = found
        record = SessionRecord(session_id, tenant, int(epoch), gateway_id, "connected", owner)
        return record, Saved(snapshot, int(position), jobs, _items(flat), tuple(events))

    async def save(self, record: SessionRecord, change: Change) -> None:
        """Write a change. Raises `Fenced` when ``record.epoch`` is not the newest."""
        items = [part for pair in change.items.items() for part in pair]
        await self._keep(
            record,
            change.snapshot,
            change.position,
            change.jobs,
            change.events,
            self._events_ms,
            len(change.items),
            *items,
            *change.gone,
        )

    async def heartbeat(self, record: SessionRecord) -> None:
        """Keep the session alive. Raises `Fenced` like `save`."""
        await self._keep(record)

    async def find(self, tenant: str, session_id: str) -> SessionRecord | None:
        """Return the session, or None when it is unknown, over, or another tenant's."""
        found = await self._connection.run(_FIND, self._keys(tenant, session_id)[:2])
        if not found:
            return None
        epoch, gateway_id, status, is_alive, owner = found
        told = status.decode() if is_alive or status == b"ended" else "disconnected"
        return SessionRecord(session_id, tenant, int(epoch), gateway_id.decode(), told, _read_owner(owner))

    async def end(self, record: SessionRecord, *, resumable: bool) -> None:
        """Release the session; no effect when a newer owner has taken over."""
        await self._release(record, resumable=resumable)

    async def peek(self, tenant: str, session_id: str, *, with_items: bool = True) -> SavedContent | None:
        """Return what is saved of a session; None when it is unknown, over or was never saved."""
        stem, _, items, _ = self._keys(tenant, session_id)
        found = await self._connection.run(_PEEK, (stem, items), int(with_items))
        return SavedContent(found[0], _items(found[1])) if found else None

    async def stop(self, tenant: str, session_id: str) -> EndedSession | None:
        """End a session, whoever owns it; None when it is unknown or over."""
        keys, name = self._keys(tenant, session_id), f"{tenant} {session_id}"
        lasts_ms = self._liveness_ms + _GRACE_MS
        found = await self._connection.run(_STOP, keys, self._taken, name, lasts_ms, ids.token(12))
        return EndedSession(tenant, session_id, found[1], int(found[0])) if found else None

    async def taken(self, gateway_id: str) -> AsyncIterator[Taken]:
        """Yield the sessions of this gateway that others resume or stop."""
        async for message in self._connection.listen([self._taken + gateway_id]):
            if message is None:
                continue
            if (named := _TAKEN.fullmatch(message[1])) is None:
                _log.warning("malformed message of a taken session skipped", channel=message[0])
                continue
            yield Taken(named[1], named[2], int(named[3]))

    async def leave(self) -> AsyncIterator[EndedSession]:
        """Yield nothing: any gateway can resume the sessions."""
        return
        yield

    async def expired(self) -> AsyncIterator[EndedSession]:
        """Forget sessions whose resume window is over, and yield each of them."""
        while self._has_settled() and (due := await self._due()):
            for member in due:
                if (named := _MEMBER.fullmatch(member.decode(errors="replace"))) is None:
                    _log.warning("malformed member of the session index removed", key=self._index)
                    await self._connection.command("ZREM", self._index, member)
                    continue
                tenant, session_id = named[1], named[2]
                kind, *rest = await self._connection.run(_REAP, self._keys(tenant, session_id))
                if kind == b"known":
                    await self._connection.command("ZADD", self._index, time.time() * 1000 + int(rest[0]) + 1, member)
                    continue
                await self._connection.command("ZREM", self._index, member)
                if kind == b"over":
                    yield EndedSession(tenant, session_id, rest[0], int(rest[1]))

    async def _release(self, record: SessionRecord, *, resumable: bool) -> bool:
        """Release a session; False when it has a newer owner."""
        keys, window_ms = self._keys(record.tenant, record.session_id), self._resume_ms if resumable else 0
        return bool(await self._connection.run(_RELEASE, keys, record.epoch, window_ms, _GRACE_MS))

    def _has_settled(self) -> bool:
        """Say whether Redis was reachable for so long that every living session has sent a heartbeat."""
        since = self._connection.reachable_since
        return since is not None and time.monotonic() - since >= self._liveness_ms / 1000

    async def _due(self) -> list[bytes]:
        now = time.time() * 1000
        return await self._connection.command("ZRANGE", self._index, "-inf", now, "BYSCORE", "LIMIT", 0, _AT_ONCE)

    async def _own(self, tenant: str, session_id: str, gateway_id: str, how: str, owner: SessionOwner) -> list[Any]:
        name = f"{tenant} {session_id}"
        owned = await self._connection.run(
            _ACQUIRE,
            self._keys(tenant, session_id),
            gateway_id,
            self._liveness_ms,
            self._resume_ms,
            _GRACE_MS,
            how,
            self._taken,
            name,
            _write_owner(owner),
            *("id", session_id, "tenant_id", tenant, "project_id", PROJECT),
            *("conversation_id", conversation_id(owner.seed)),
        )
        if owned:  # an estimate: the clean-up looks again when it is too early
            await self._connection.command("ZADD", self._index, time.time() * 1000 + self._resume_ms, name)
        return owned

    async def _keep(self, record: SessionRecord, *change: Argument) -> None:
        owner = await self._connection.run(
            _SAVE,
            self._keys(record.tenant, record.session_id),
            record.epoch,
            self._liveness_ms,
            self._resume_ms,
            _GRACE_MS,
            *change,
        )
        if not owner:
            raise Fenced(f"session {record.session_id} is over")
        if int(owner) != record.epoch:
            raise Fenced(f"session {record.session_id} belongs to epoch {int(owner)}")

    def _keys(self, tenant: str, session_id: str) -> tuple[str, str, str, str]:
        stem = f"t:{tenant}:{self._kind}:{{{session_id}}}"
        return stem, f"{stem}:alive", f"{stem}:items", f"{stem}:events"


def _items(flat: list[bytes]) -> dict[str, bytes]:
    """Return the items of a reply of names and values in turns."""
    return {flat[at].decode(): flat[at + 1] for at in range(0, len(flat), 2)}


def _write_owner(owner: SessionOwner) -> bytes:
    """Return the one encoding of an owner, which the scripts compare; no owner is empty, as in older releases."""
    return b"" if owner == NOBODY else msgspec.json.encode(owner)


def _read_owner(data: bytes) -> SessionOwner:
    return msgspec.json.decode(data, type=SessionOwner) if data else NOBODY
