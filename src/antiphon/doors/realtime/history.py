"""The rows of a conversation: its items, function calls and usage."""

from __future__ import annotations

from dataclasses import fields

import msgspec

from antiphon.audio.ticks import TICKS_PER_S
from antiphon.conversation.effects import CommitAudio, PersistItem, Report
from antiphon.doors.websocket.session_history import SessionHistory
from antiphon.entities.history import StoredCall, StoredItem, Unit
from antiphon.wire.realtime_items import FunctionCall, FunctionCallOutput
from antiphon.wire.realtime_response import Response


class ConversationHistory:
    """Makes rows of what a conversation does; those of one input are one unit."""

    __slots__ = ("_parts", "_session")

    def __init__(self, session: SessionHistory) -> None:
        self._session = session
        self._parts: list[Unit] = []

    def note(self, effect: PersistItem | Report) -> None:
        """Note an event, or a version of an item with the half of a function call that it is."""
        if isinstance(effect, Report):
            self._parts.append(Unit(events=(self._session.event(effect.payload, effect.number),)))
        else:
            self._item(effect)

    def _item(self, effect: PersistItem) -> None:
        session, item, now = self._session, effect.item, self._session.clock.wall()
        row = StoredItem(
            tenant=session.tenant,
            session_id=session.session_id,
            item_id=effect.item_id,
            position=effect.position,
            revision=effect.revision,
            content=b"" if item is None else msgspec.json.encode(item),
            created_at=now,
            deleted=item is None,
            interrupted=effect.interrupted,
        )
        self._parts.append(Unit(items=(row,), calls=self._half(effect, now) if effect.call else ()))

    def _half(self, effect: PersistItem, now: float) -> tuple[StoredCall, ...]:
        """Return the half of a function call that an item is; an empty one when it was deleted."""
        session, item, revision = self._session, effect.item, effect.revision
        key = (session.tenant, session.session_id, effect.call, now)
        if isinstance(item, FunctionCall):
            call_id, status = str(item.call_id or ""), str(item.status or "")
            return (StoredCall(*key, call_id, item.name, item.arguments, status, revision),)
        if isinstance(item, FunctionCallOutput):
            return (StoredCall(*key, output=item.output, completed_at=now, output_revision=revision),)
        if effect.call == effect.item_id:
            return (StoredCall(*key, status="deleted", revision=revision),)
        return (StoredCall(*key, output_revision=revision),)

    def heard(self, effect: CommitAudio) -> None:
        """Note the seconds of audio that became an item."""
        seconds = (effect.end - effect.start) / TICKS_PER_S
        self._parts.append(Unit(usage=self._session.used(effect.item_id, {"audio_input_s": seconds})))

    def answered(self, response: Response) -> None:
        """Note what a response used, once it is done."""
        usage = response.usage
        tokens = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens} if usage else {}
        self._parts.append(Unit(usage=self._session.used(response.id, {"requests": 1, **tokens})))

    def flush(self) -> None:
        """Record what was noted since the last call, as one unit."""
        if self._parts:
            parts, self._parts = self._parts, []
            kinds = [field.name for field in fields(Unit)]
            self._session.record(
                Unit(**{name: tuple(row for part in parts for row in getattr(part, name)) for name in kinds})
            )
