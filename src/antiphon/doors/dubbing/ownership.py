"""Which gateway of a fleet has a stream, and which number it delivers next."""

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
"""The key that a stream belongs to, and its id, which is its worker's own word: keys do not share ids."""

_log = structlog.get_logger(__name__)


class _Saved(msgspec.Struct, frozen=True):
    """What another gateway continues from. Results are not among it: what was not delivered is done anew."""

    expected: int


class StreamLease:
    """One stream of this gateway, as the others see it."""

    def __init__(
        self,
        key: Key,
        sessions: Sessions,
        record: SessionRecord,
        resumed_at: int | None,
        on_lost: Callable[[StreamLease], None],
    ) -> None:
        """``on_lost`` is called once, when another gateway has the stream."""
        self.key = key
        self.resumed_at = resumed_at
        """The number that was to be delivered next where the stream was resumed, None for a new one."""
        self._sessions = sessions
        self._record = record
        self._on_lost = on_lost
        self._expected = resumed_at or 0
        self._saving: asyncio.Task[None] | None = None
        self._is_over = False

    def note(self, expected: int) -> None:
        """The stream delivers this number next; it is saved in the background."""
        if self._is_over or self._expected == expected:
            return
        self._expected = expected
        if self._saving is None:
            self._saving = unattended(self._save_all(), name="stream lease")

    async def save(self) -> None:
        """Write which number comes next. Raises `Fenced` and `ProviderUnavailable`."""
        change = Change(msgspec.msgpack.encode(_Saved(self._expected)), self._expected)
        await self._sessions.save(self._record, change)

    async def heartbeat(self) -> None:
        """Say that the stream is still here."""
        try:
            await self._sessions.heartbeat(self._record)
        except Fenced:
            await self._fenced()
        except ProviderUnavailable as error:
            _log.warning("stream heartbeat failed", stream_id=self.key[1], error=str(error))

    def look_at(self, taken: Taken) -> None:
        """Take note of a session that another gateway has resumed: it may be this one."""
        record = self._record
        if (record.tenant, record.session_id) == (taken.tenant, taken.session_id) and record.epoch < taken.epoch:
            self._lose()

    async def release(self, *, resumable: bool) -> None:
        """Let the stream go."""
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
        """Leave a stream to whoever has it now; one that Redis has forgotten is claimed again."""
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
    """Claims streams for this gateway. Where nothing is shared there are no leases."""

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
        """Become the gateway of a stream, and return its lease; None where nothing is shared.

        Raises `Fenced` when another gateway was quicker, `Overloaded` when it is new and there is no room for it, and
        `ProviderUnavailable`.
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
        """Keep ``leases`` alive, hear of those that others have resumed, and clear up, endlessly."""
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
                lease.look_at(taken)

    async def _clear_up(self, sessions: Sessions) -> None:
        while True:
            await asyncio.sleep(self._sweep_s)
            try:
                async for expired in sessions.expired():
                    _log.info("stream forgotten", tenant_id=expired.tenant, reason="nobody came back")
            except ProviderUnavailable as error:
                _log.warning("stream clean-up failed", error=str(error))


def opaque_name(key: Key) -> str:
    """Return 32 hexadecimal digits in place of a stream's id, which is a client's own, any text, and not for others."""
    account, stream_id = key
    return hashlib.sha256(f"{account.key_id}\0{stream_id}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
