"""Where streams are: which gateway of a fleet has one, and which number it delivers next."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import structlog

from antiphon.errors import Fenced, NotFound, Overloaded, ProviderUnavailable
from antiphon.observe.tasks import unattended
from antiphon.ports.limiter import Account
from antiphon.ports.sessions import Change, SessionOwner, SessionRecord, Sessions

Key = tuple[Account, str]
"""The key that a stream belongs to, and its id, which is its worker's own word: keys do not share ids."""

_log = structlog.get_logger(__name__)


class _Saved(msgspec.Struct, frozen=True):
    """What another gateway goes on from. Results are not among it: what was not delivered is done anew."""

    expected: int


@dataclass(slots=True)
class _Place:
    record: SessionRecord
    expected: int = 0
    saving: asyncio.Task[None] | None = None


class Places:
    """The streams of this gateway, as the others see them. Where nothing is shared this remembers nothing."""

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
        self._places: dict[Key, _Place] = {}
        self.on_taken: Callable[[Key], None] = lambda _: None
        """Called when a stream was taken up at another gateway."""

    async def take(self, key: Key) -> int | None:
        """Become the gateway of a stream; returns the number it delivers next, None where nothing is known of it.

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
        place = _Place(record, expected or 0)
        await sessions.save(record, _change(place))
        self._places[key] = place
        return expected

    def note(self, key: Key, expected: int) -> None:
        """A stream delivers this number next; that is written while everything else goes on."""
        place = self._places.get(key)
        if place is None or place.expected == expected:
            return
        place.expected = expected
        if place.saving is None:
            place.saving = unattended(self._save(key, place), name="stream place")

    async def leave(self, key: Key, *, resumable: bool) -> None:
        """Let a stream go."""
        place = self._places.pop(key, None)
        if place is None or self._sessions is None:
            return
        if place.saving is not None:
            await asyncio.wait((place.saving,))
        try:
            await self._sessions.end(place.record, resumable=resumable)
        except ProviderUnavailable as error:
            _log.warning("a stream could not be let go", error=str(error))

    async def run(self) -> None:
        """Give signs of life, hear of streams that are taken up elsewhere, and clear up, endlessly."""
        if self._sessions is not None:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_alive(self._sessions), name="signs of life of streams")
                group.create_task(self._watch_taken(self._sessions), name="streams taken up elsewhere")
                group.create_task(self._clear_up(self._sessions), name="expired streams")

    async def _save(self, key: Key, place: _Place) -> None:
        assert self._sessions is not None  # noqa: S101 - narrows the type: places are only where something is shared
        written = -1
        try:
            while written != place.expected:
                written = place.expected
                await self._sessions.save(place.record, _change(place))
        except Fenced:
            await self._fenced(key, place)
        except ProviderUnavailable as error:
            _log.warning("a stream could not be saved", stream_id=key[1], error=str(error))
        finally:
            place.saving = None

    async def _fenced(self, key: Key, place: _Place) -> None:
        """Leave a stream to whoever has it now; one that Redis has forgotten is claimed again."""
        assert self._sessions is not None  # noqa: S101 - narrows the type: places are only where something is shared
        record = place.record
        try:
            if await self._sessions.find(record.tenant, record.session_id) is not None:
                self._lose(key, place)
            elif self._places.get(key) is place:
                place.record = await self._sessions.claim(
                    record.tenant, record.session_id, self._gateway_id, record.owner
                )
                await self._sessions.save(place.record, _change(place))
        except Fenced:
            self._lose(key, place)
        except ProviderUnavailable as error:
            _log.warning("a stream could not be claimed again", stream_id=key[1], error=str(error))

    def _lose(self, key: Key, place: _Place) -> None:
        if self._places.get(key) is place:
            del self._places[key]
            self.on_taken(key)

    async def _keep_alive(self, sessions: Sessions) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            for key, place in list(self._places.items()):
                try:
                    await sessions.heartbeat(place.record)
                except Fenced:
                    await self._fenced(key, place)
                except ProviderUnavailable as error:
                    _log.warning("no sign of life could be given", stream_id=key[1], error=str(error))

    async def _watch_taken(self, sessions: Sessions) -> None:
        async for taken in sessions.taken(self._gateway_id):
            for key, place in list(self._places.items()):
                is_this = (place.record.tenant, place.record.session_id) == (taken.tenant, taken.session_id)
                if is_this and place.record.epoch < taken.epoch:
                    self._lose(key, place)

    async def _clear_up(self, sessions: Sessions) -> None:
        while True:
            await asyncio.sleep(self._sweep_s)
            try:
                async for expired in sessions.expired():
                    _log.info("stream forgotten", tenant_id=expired.tenant, reason="nobody came back")
            except ProviderUnavailable as error:
                _log.warning("nothing could be cleared up", error=str(error))


def _change(place: _Place) -> Change:
    return Change(msgspec.msgpack.encode(_Saved(place.expected)), place.expected)


def opaque_name(key: Key) -> str:
    """Return 32 hexadecimal digits in place of a stream's id, which is a client's own, any text, and not for others."""
    account, stream_id = key
    return hashlib.sha256(f"{account.key_id}\0{stream_id}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
