"""Leases on streams in a fleet: which gateway owns a stream, and which fragment it delivers next."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Collection

import msgspec
import structlog

from antiphon.errors import Fenced, NotFound, Overloaded, ProviderUnavailable
from antiphon.observe.tasks import unattended
from antiphon.ports.limiter import Account
from antiphon.ports.sessions import Change, SessionOwner, SessionRecord, Sessions, Taken

Key = tuple[Account, str]
"""The account of a stream, and the id that its client chose. Accounts do not share ids."""

_log = structlog.get_logger(__name__)


class _Saved(msgspec.Struct, frozen=True):
    """State from which another gateway continues. Undelivered results are not saved: their fragments are redone."""

    expected: int


class StreamLease:
    """A lease on one stream of this gateway."""

    def __init__(
        self,
        key: Key,
        sessions: Sessions,
        record: SessionRecord,
        resumed_at: int | None,
        on_lost: Callable[[StreamLease], None],
    ) -> None:
        """``on_lost`` is called once, when another gateway has resumed the stream."""
        self.key = key
        self.resumed_at = resumed_at
        """The sequence number at which the stream was resumed, None for a new stream."""
        self._sessions = sessions
        self._record = record
        self._on_lost = on_lost
        self._expected = resumed_at or 0
        self._saving: asyncio.Task[None] | None = None
        self._is_over = False

    def note(self, expected: int) -> None:
        """Save in the background which number is delivered next."""
        if self._is_over or self._expected == expected:
            return
        self._expected = expected
        if self._saving is None:
            self._saving = unattended(self._save_all(), name="stream lease")

    async def save(self) -> None:
        """Save which number is delivered next. Raises `Fenced` and `ProviderUnavailable`."""
        change = Change(msgspec.msgpack.encode(_Saved(self._expected)), self._expected)
        await self._sessions.save(self._record, change)

    async def heartbeat(self) -> None:
        """Renew the lease."""
        try:
            await self._sessions.heartbeat(self._record)
        except Fenced:
            await self._fenced()
        except ProviderUnavailable as error:
            _log.warning("stream heartbeat failed", stream_id=self.key[1], error=str(error))

    def check(self, taken: Taken) -> None:
        """Check a session that another gateway has resumed against this one."""
        record = self._record
        if (record.tenant, record.session_id) == (taken.tenant, taken.session_id) and record.epoch < taken.epoch:
            self._lose()

    async def release(self, *, resumable: bool) -> None:
        """End the lease."""
        self._is_over = True
        if self._saving is not None:
            await asyncio.wait((self._saving,))
        try:
            await self._sessions.end(self._record, resumable=resumable)
        except ProviderUnavailable as error:
            _log.warning("stream release failed", stream_id=self.key[1], error=str(error))

    async def _save_all(self) -> None:
        written = -1
        try:
            while written != self._expected:
                written = self._expected
                await self.save()
        except Fenced:
            await self._fenced()
        except ProviderUnavailable as error:
            _log.warning("stream save failed", stream_id=self.key[1], error=str(error))
        finally:
            self._saving = None

    async def _fenced(self) -> None:
        """Lose the stream to its new owner, or claim it again if Redis has lost it."""
        record = self._record
        try:
            if await self._sessions.find(record.tenant, record.session_id) is not None:
                self._lose()
            elif not self._is_over:
                self._record = await self._sessions.claim(
                    record.tenant, record.session_id, record.gateway_id, record.owner
                )
                await self.save()
        except Fenced:
            self._lose()
        except ProviderUnavailable as error:
            _log.warning("stream claim failed", stream_id=self.key[1], error=str(error))

    def _lose(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._on_lost(self)


class StreamOwnership:
    """Claims streams for this gateway. Without shared sessions there are no leases."""

    def __init__(
        self,
        sessions: Sessions | None,
        gateway_id: str,
        *,
        heartbeat_s: float,
        sweep_s: float,
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        """``has_room`` says whether another stream may begin."""
        self._sessions = sessions
        self._has_room = has_room
        self._gateway_id = gateway_id
        self._heartbeat_s = heartbeat_s
        self._sweep_s = sweep_s

    async def claim(self, key: Key, on_lost: Callable[[StreamLease], None]) -> StreamLease | None:
        """Claim a stream and return its lease; None without shared sessions.

        Raises `Fenced` if another gateway claims it at the same time, `Overloaded` if it is new and there is no room
        for it, and `ProviderUnavailable`.
        """
        sessions, (account, _) = self._sessions, key
        if sessions is None:
            return None
        name, owner = opaque_name(key), SessionOwner(account.key_id, account.key_id, "stream")
        try:
            record, saved = await sessions.resume(account.tenant, name, self._gateway_id, owner)
            expected = msgspec.msgpack.decode(saved.snapshot, type=_Saved).expected
        except NotFound:
            if not self._has_room():
                raise Overloaded("The server takes no new streams at the moment; try again soon.") from None
            record, expected = await sessions.claim(account.tenant, name, self._gateway_id, owner), None
        lease = StreamLease(key, sessions, record, expected, on_lost)
        await lease.save()
        return lease

    async def run(self, leases: Callable[[], Collection[StreamLease]]) -> None:
        """Renew ``leases``, watch for those that others resume, and remove expired streams, endlessly."""
        if self._sessions is not None:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_alive(leases), name="heartbeats of streams")
                group.create_task(self._watch_taken(self._sessions, leases), name="streams resumed elsewhere")
                group.create_task(self._clear_up(self._sessions), name="expired streams")

    async def _keep_alive(self, leases: Callable[[], Collection[StreamLease]]) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            for lease in leases():
                await lease.heartbeat()

    async def _watch_taken(self, sessions: Sessions, leases: Callable[[], Collection[StreamLease]]) -> None:
        async for taken in sessions.taken(self._gateway_id):
            for lease in leases():
                lease.check(taken)

    async def _clear_up(self, sessions: Sessions) -> None:
        while True:
            await asyncio.sleep(self._sweep_s)
            try:
                async for expired in sessions.expired():
                    _log.info("stream expired", tenant_id=expired.tenant)
            except ProviderUnavailable as error:
                _log.warning("stream clean-up failed", error=str(error))


def opaque_name(key: Key) -> str:
    """Return 32 hexadecimal digits in place of a stream's id, which is private to its client and may be any text."""
    account, stream_id = key
    return hashlib.sha256(f"{account.key_id}\0{stream_id}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
