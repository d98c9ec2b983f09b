"""One step of a conversation: the state, the time, and the resulting effects."""

from __future__ import annotations

from typing import Any

from antiphon.conversation.effects import Effect, PersistItem, Report, Send
from antiphon.conversation.numbered_ids import numbered
from antiphon.conversation.state import ItemRecord, Owner, OwnerKind, State
from antiphon.entities.events import log_of
from antiphon.wire.events import EventPayload, type_of
from antiphon.wire.realtime_items import FunctionCall, FunctionCallOutput, OwnItem
from antiphon.wire.realtime_server import Error, ErrorDetail, ServerEvent


class EventRefused(Exception):
    """A client event that cannot be carried out. Raised before any state has changed."""

    def __init__(
        self, message: str, *, code: str, param: str | None = None, kind: str = "invalid_request_error"
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.kind = kind


class Step:
    """The context in which the modules of the conversation handle one input."""

    __slots__ = ("effects", "now", "state")

    def __init__(self, state: State, now: float) -> None:
        self.state = state
        self.now = now
        self.effects: list[Effect] = []

    def new_id(self, prefix: str) -> str:
        """Return the next id; the same inputs give the same ids."""
        self.state.counter += 1
        return numbered(prefix, self.state.seed, self.state.counter)

    def new_item_id(self) -> str:
        """Return an id for an item, skipping ids that clients have given to their own items."""
        while self.find(item_id := self.new_id("item")) is not None:
            pass
        return item_id

    def new_job(self, kind: OwnerKind, owner_id: str = "", *, extra_s: int = 0) -> str:
        """Return the id of a new job of this owner; its first result may take ``extra_s`` longer than usual."""
        job_id = self.new_id("job")
        timeout_s = self.state.rules.job_timeout_s
        self.state.jobs[job_id] = Owner(kind, owner_id, self.now + timeout_s + extra_s if timeout_s else 0.0)
        return job_id

    def hand_over(self, job_id: str, kind: OwnerKind, owner_id: str) -> None:
        """Give a job to another owner; its timeout does not change."""
        due = self.state.jobs[job_id].due if job_id in self.state.jobs else 0.0
        self.state.jobs[job_id] = Owner(kind, owner_id, due)

    def owner(self, job_id: str, kind: OwnerKind) -> str | None:
        """Return the id of a job's owner of this kind; None for a job of another kind or a cancelled one."""
        owner = self.state.jobs.get(job_id)
        return owner.id if owner is not None and owner.kind == kind else None

    def do(self, effect: Effect) -> None:
        """Add an effect."""
        self.effects.append(effect)

    def send(self, event: type[ServerEvent], **fields: Any) -> None:
        """Send an event under the next event id."""
        self.effects.append(Send(event(event_id=self.new_id("event"), **fields)))  # pyright: ignore[reportArgumentType] -- every ServerEvent class is in the ServerMessage union, which a golden test holds true

    def refuse(self, refusal: EventRefused, event_id: str | None) -> None:
        """Answer a bad event with one error that echoes its id."""
        detail = ErrorDetail(
            type=refusal.kind,
            code=refusal.code,
            message=refusal.message,
            param=refusal.param,
            event_id=event_id,
        )
        self.send(Error, error=detail)

    @property
    def session_id(self) -> str:
        """Id of the session."""
        return self.state.session.id

    def report(self, payload: EventPayload) -> None:
        """Record an event for others than the client, under the next number of its log."""
        log = log_of(type_of(payload))
        number = self.state.events[log] = self.state.events.get(log, 0) + 1
        self.do(Report(payload, number))

    # -- the conversation's items -----------------------------------------------------------------------------------
    def find(self, item_id: str) -> ItemRecord | None:
        """Return an item by its id; recent ones are found first."""
        for record in reversed(self.state.records):
            if record.item.id == item_id:
                return record
        return None

    def by_id(self) -> dict[str, ItemRecord]:
        """Return all items by their ids; faster than `find` for many."""
        return {str(record.item.id): record for record in self.state.records}

    def before(self, item_id: str) -> str | None:
        """Return the id of the item in front of this one."""
        previous: str | None = None
        for record in self.state.records:
            if record.item.id == item_id:
                return previous
            previous = str(record.item.id)
        return previous

    def last_id(self) -> str | None:
        """Return the id of the last item."""
        return str(self.state.records[-1].item.id) if self.state.records else None

    def next_revision(self, last: int) -> int:
        """Return a revision above ``last``, and above all in this conversation: ids of deleted items may come again."""
        self.state.revisions = max(self.state.revisions, last) + 1
        return self.state.revisions

    def persist(self, record: ItemRecord) -> None:
        """Write this version of an item to the store."""
        record.revision = self.next_revision(record.revision)
        item_id, call = str(record.item.id), self.call_of(record.item)
        self.do(PersistItem(item_id, record.position, record.revision, record.item, record.interrupted, call))

    def call_of(self, item: OwnItem) -> str:
        """Return the id of the function call that an item is or answers: the last one with its ``call_id``, or none."""
        if isinstance(item, FunctionCall):
            return str(item.id)
        if not isinstance(item, FunctionCallOutput):
            return ""
        calls = (record.item for record in reversed(self.state.records) if isinstance(record.item, FunctionCall))
        return next((str(call.id) for call in calls if call.call_id == item.call_id), "")
