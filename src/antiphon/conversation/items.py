"""Items that a client creates, retrieves and deletes."""

from __future__ import annotations

from msgspec import UNSET
from msgspec.structs import replace

from antiphon.conversation import content, transcription
from antiphon.conversation.effects import AdoptAudio, ForgetAudio, PersistItem, SendItem
from antiphon.conversation.state import ItemRecord
from antiphon.conversation.step import EventRefused, Step
from antiphon.text.quoting import quoted
from antiphon.wire.realtime_client import (
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemRetrieve,
)
from antiphon.wire.realtime_items import AnyItem, Content, FunctionCall, FunctionCallOutput, Message, OwnItem
from antiphon.wire.realtime_server import (
    ConversationItemAdded,
    ConversationItemDeleted,
    ConversationItemDone,
    ConversationItemRetrieved,
)

POSITION_GAP = 2**32
"""Distance between the positions of two items, so that others fit between them."""


def create(step: Step, message: ConversationItemCreate, audio_ticks: tuple[int, ...]) -> None:
    """Handle ``conversation.item.create``."""
    place = _place(step, message.previous_item_id)
    item = checked(step, message.item, "item")
    ticks = sum(audio_ticks)
    record = ItemRecord(item=_named(step, item), position=0, input_ticks=ticks, size=content.size(item))
    said = content.given_transcript(item)
    if said is not None and not ticks:
        record.heard = said
    insert(step, record, place)
    announce(step, record)
    if ticks:
        step.do(AdoptAudio(str(record.item.id)))
        transcription.begin(step, record)


def _place(step: Step, previous_item_id: str | None) -> int:
    """Return the index at which the new item goes."""
    records = step.state.records
    if previous_item_id is None:
        return len(records)
    if previous_item_id == "root":
        return 0
    for index, record in enumerate(records):
        if record.item.id == previous_item_id:
            return index + 1
    raise EventRefused(
        f"Error adding item: the previous item with id {quoted(previous_item_id)} does not exist.",
        code="item_create_invalid_previous_item_id",
        param="previous_item_id",
    )


def checked(step: Step, item: AnyItem, param: str) -> OwnItem:
    """Check an item from a client against what this conversation can hold."""
    own = content.checked(step, item, param)
    if item.id and (step.find(item.id) or item.id == step.state.buffer.speech_item):
        raise EventRefused(
            f"Error adding item: an item with id {quoted(item.id)} already exists.",
            code="item_create_duplicate_item_id",
            param=f"{param}.id",
        )
    _check_room(step, own, param)
    if isinstance(item, FunctionCallOutput) and not _is_called(step, item.call_id):
        raise EventRefused(
            f"Tool call ID {quoted(item.call_id)} not found in conversation.",
            code="item_create_invalid_call_id",
            param=f"{param}.call_id",
        )
    return own


def _check_room(step: Step, own: OwnItem, param: str) -> None:
    """Refuse an item that a full conversation cannot hold."""
    if len(step.state.records) >= step.state.rules.max_items:
        raise EventRefused(
            f"The conversation holds at most {step.state.rules.max_items} items; delete some first.",
            code="conversation_items_limit_exceeded",
            param=param,
        )
    if content.size(own) + sum(record.size for record in step.state.records) > step.state.rules.max_characters:
        raise EventRefused(
            f"The conversation holds at most {step.state.rules.max_characters} characters; delete some items first.",
            code="conversation_size_limit_exceeded",
            param=param,
        )


def _is_called(step: Step, call_id: str) -> bool:
    return any(
        isinstance(record.item, FunctionCall) and record.item.call_id == call_id for record in step.state.records
    )


def _named(step: Step, item: OwnItem) -> OwnItem:
    """Return the item as the server shows it: with an id, a status, and without audio or nulls."""
    named = replace(item, id=item.id or step.new_item_id(), object="realtime.item", status="completed")
    if isinstance(named, Message):
        return replace(named, content=tuple(_shown(part) for part in named.content))
    if isinstance(named, FunctionCall) and not named.call_id:
        return replace(named, call_id=step.new_id("call"))
    return named


def _shown(part: Content) -> Content:
    if part.type == "input_audio":
        return Content(type="input_audio", transcript=part.transcript or None)
    shown = replace(part, audio=UNSET, transcript=UNSET)
    return shown if part.detail else replace(shown, detail=UNSET)


def make_room(step: Step) -> None:
    """Remove the oldest item of a full conversation; the history keeps it."""
    records = step.state.records
    if len(records) >= step.state.rules.max_items:
        oldest = next((old for old in records if old.item.status != "in_progress"), None)
        if oldest is not None:
            _remove(step, oldest)


def append(step: Step, record: ItemRecord) -> None:
    """Put an item at the end of the conversation."""
    insert(step, record, len(step.state.records))


def insert(step: Step, record: ItemRecord, place: int) -> None:
    """Insert an item at index ``place`` of the conversation."""
    record.position = _position(step, place)
    step.state.records.insert(place, record)


def _position(step: Step, place: int) -> int:
    """Return the position in the store of an item at ``place``; other items move only if no gap is left."""
    state, records = step.state, step.state.records
    if place == len(records):
        state.positions += POSITION_GAP
        return state.positions
    if not place:
        return records[0].position - POSITION_GAP
    before = records[place - 1].position
    if records[place].position - before < 2:
        for moved in records[place:]:
            moved.position += POSITION_GAP
            if moved.revision:
                step.persist(moved)
        state.positions += POSITION_GAP
    return (before + records[place].position) // 2


def announce(step: Step, record: ItemRecord) -> None:
    """Send the events of a finished item that was added."""
    previous = step.before(str(record.item.id))
    step.send(ConversationItemAdded, previous_item_id=previous, item=record.item)
    step.send(ConversationItemDone, previous_item_id=previous, item=record.item)
    step.persist(record)


def retrieve(step: Step, message: ConversationItemRetrieve) -> None:
    """Handle ``conversation.item.retrieve``."""
    record = step.find(message.item_id)
    if record is None:
        raise EventRefused(
            f"Error retrieving item: the item with id {quoted(message.item_id)} does not exist.",
            code="item_retrieve_invalid_item_id",
            param="item_id",
        )
    event = ConversationItemRetrieved(event_id=step.new_id("event"), item=record.item)
    step.do(SendItem(event))


def delete(step: Step, message: ConversationItemDelete) -> None:
    """Handle ``conversation.item.delete``. An item of a response in progress cannot be deleted."""
    record = step.find(message.item_id)
    if record is None:
        raise EventRefused(
            f"Error deleting item: the item with id {quoted(message.item_id)} does not exist.",
            code="item_delete_invalid_item_id",
            param="item_id",
        )
    if record.item.status == "in_progress":
        raise EventRefused(
            "Error deleting item: the item is being generated; cancel its response first.",
            code="item_delete_in_progress",
            param="item_id",
        )
    call = step.call_of(record.item)
    _remove(step, record)
    revision = step.next_revision(record.revision)
    step.do(PersistItem(message.item_id, record.position, revision, None, call=call))


def _remove(step: Step, record: ItemRecord) -> None:
    item_id = str(record.item.id)
    step.state.records.remove(record)
    if item_id in step.state.cuts:
        step.state.cuts.remove(item_id)
    transcription.forget(step, record)
    step.do(ForgetAudio(item_id))
    step.send(ConversationItemDeleted, item_id=item_id)
