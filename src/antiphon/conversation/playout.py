"""Estimates how much of an answer was heard, and truncates the answer to it."""

from __future__ import annotations

import math

from msgspec.structs import replace

from antiphon.audio.ticks import TICKS_PER_S, ms
from antiphon.conversation.alignment import words
from antiphon.conversation.effects import CutAudio
from antiphon.conversation.inputs import Unsent
from antiphon.conversation.state import ItemRecord, Playout, SpokenSentence
from antiphon.conversation.step import EventRefused, Step
from antiphon.text.quoting import quoted
from antiphon.wire.realtime_client import ConversationItemTruncate
from antiphon.wire.realtime_items import Content, Message
from antiphon.wire.realtime_server import ConversationItemTruncated

_RECENT = 8
"""Number of last items that a barge-in can truncate."""


def position(playout: Playout, now: float) -> int:
    """Return how many ticks were heard by now: as many as time has passed for, at most all that were sent.

    After an underrun the estimate continues from where the speech had stopped.
    """
    elapsed = int((now - playout.since) * TICKS_PER_S)
    return min(playout.sent, playout.base + max(0, elapsed))


def made(playout: Playout, text: str, ticks: int) -> None:
    """Record that more speech was made; ``text`` is the sentence that begins with it, or empty."""
    if text:
        playout.spans.append(SpokenSentence(text, playout.made))
    playout.made += ticks


def sent(playout: Playout, ticks: int, now: float) -> None:
    """Record that more speech was sent."""
    playout.base = position(playout, now)
    playout.since = now
    playout.sent += ticks


def reached_at(playout: Playout, ticks: int) -> float:
    """Return when ``ticks`` will have been heard, seconds."""
    return playout.since + (ticks - playout.base) / TICKS_PER_S


def interrupt(step: Step) -> None:
    """Estimate how far each recent answer was heard at a barge-in, and wait for the client's truncate."""
    for record in step.state.records[-_RECENT:]:
        playout = record.playout
        if playout is None or playout.cut is not None:
            continue
        heard = position(playout, step.now)
        unfinished = isinstance(record.item, Message) and record.item.status != "completed"
        if heard < playout.sent or unfinished:
            playout.cut = heard
            playout.cut_due = step.now + step.state.rules.truncate_wait_s
            step.state.cuts.append(str(record.item.id))


def truncatable(step: Step, message: ConversationItemTruncate) -> tuple[ItemRecord, Playout]:
    """Return the item that a client may truncate. Raises `EventRefused`, which names the field."""
    record = step.find(message.item_id)
    if record is None:
        raise EventRefused(
            f"Error truncating item: the item with id {quoted(message.item_id)} does not exist.",
            code="item_truncate_invalid_item_id",
            param="item_id",
        )
    if record.playout is None:
        raise EventRefused(
            "Error truncating item: only assistant audio can be truncated.",
            code="item_truncate_invalid_item",
            param="item_id",
        )
    if message.content_index != 0:
        raise EventRefused(
            f"Error truncating item: there is no audio at content_index {message.content_index}.",
            code="item_truncate_invalid_content_index",
            param="content_index",
        )
    return record, record.playout


def apply_estimates(step: Step) -> None:
    """Make the estimates final that are due."""
    for item_id in list(step.state.cuts):
        record = step.find(item_id)
        playout = record.playout if record else None
        if record is None or playout is None or playout.cut_due is None or playout.cut is None:
            step.state.cuts.remove(item_id)
        elif playout.cut_due <= step.now:
            cut(step, record, playout, playout.cut)


def cut_at(step: Step) -> float:
    """Return when the next estimate becomes final, seconds."""
    playouts = (record.playout for record in map(step.find, step.state.cuts) if record is not None)
    return min((playout.cut_due for playout in playouts if playout and playout.cut_due is not None), default=math.inf)


def unsent(step: Step, event: Unsent) -> None:
    """Subtract queued speech that never reached the client, unless the client has truncated the item."""
    record = step.find(event.item_id)
    playout = record.playout if record else None
    if playout is None or (playout.cut is not None and playout.cut_due is None):
        return
    playout.sent = max(0, playout.sent - event.ticks)
    if playout.cut is not None:
        playout.cut = min(playout.cut, playout.sent)
    step.do(CutAudio(event.item_id, playout.sent))


def longest(playout: Playout) -> int:
    """Return how many ticks can have been heard at most: all that were sent, or the final cut."""
    return playout.sent if playout.cut is None or playout.cut_due is not None else playout.cut


def cut(step: Step, record: ItemRecord, playout: Playout, ticks: int) -> None:
    """Truncate an answer to ``ticks`` and tell the client."""
    item_id = str(record.item.id)
    playout.cut = ticks
    playout.cut_due = None
    record.interrupted = True
    if item_id in step.state.cuts:
        step.state.cuts.remove(item_id)
    if isinstance(record.item, Message):
        spoken = Content(type="output_audio", transcript=words(playout, ticks))
        record.item = replace(record.item, content=(spoken,))
    step.do(CutAudio(item_id, ticks))
    step.send(ConversationItemTruncated, item_id=item_id, content_index=0, audio_end_ms=ms(ticks))
    step.persist(record)


def transcript(record: ItemRecord) -> str:
    """Return the assistant's words as far as they were heard, by the estimate if it is not final yet.

    Of a cancelled answer only words whose speech was sent can have been heard.
    """
    playout = record.playout
    if playout is not None and (playout.cut is not None or record.item.status == "incomplete"):
        return words(playout, playout.sent if playout.cut is None else playout.cut)
    if isinstance(record.item, Message):
        return "".join(_spoken(part) for part in record.item.content)
    return ""


def _spoken(part: Content) -> str:
    return (part.transcript or part.text) or ""
