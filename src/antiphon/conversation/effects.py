"""Effects of a conversation: events to send, jobs to start or cancel, audio to store."""

from __future__ import annotations

from dataclasses import dataclass

from antiphon.entities.chat import ChatRequest
from antiphon.wire.events import EventPayload
from antiphon.wire.realtime_items import OwnItem
from antiphon.wire.realtime_server import (
    Component,
    ConversationItemRetrieved,
    Mode,
    ResponseOutputAudioDelta,
    ServerMessage,
)
from antiphon.wire.realtime_session import AudioFormat, MemoryOptions


@dataclass(frozen=True, slots=True)
class Send:
    """Send an event to the client."""

    event: ServerMessage


@dataclass(frozen=True, slots=True)
class SendAudio:
    """Send the speech under ``ref`` and store it with its item. ``event.delta`` is empty."""

    event: ResponseOutputAudioDelta
    ref: int
    form: AudioFormat
    """Format of the whole response."""


@dataclass(frozen=True, slots=True)
class EndSpeech:
    """Send the rest of a response's speech that the encoder still holds, if any."""

    event: ResponseOutputAudioDelta


@dataclass(frozen=True, slots=True)
class DropSpeech:
    """Drop the speech under ``ref``; it will not be sent."""

    ref: int


@dataclass(frozen=True, slots=True)
class SendItem:
    """Send ``…item.retrieved`` with the stored audio of the item."""

    event: ConversationItemRetrieved


@dataclass(frozen=True, slots=True)
class Fence:
    """Discard this response's audio in the send queue, and send no more of it.

    If any was discarded, the conversation is told: `inputs.Unsent`.
    """

    response_id: str


@dataclass(frozen=True, slots=True)
class CommitAudio:
    """Make the input buffer from ``start`` to ``end`` (ticks) the audio of an item; drop the buffer before ``end``."""

    item_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ForgetInput:
    """Drop the input buffer before ``end`` (ticks)."""

    end: int
    is_break: bool = False
    """True also drops an incomplete sample, because the client starts over."""


@dataclass(frozen=True, slots=True)
class RestartVad:
    """Start a new stream of voice scores, number ``stream``, at the end of the input buffer."""

    stream: int


@dataclass(frozen=True, slots=True)
class AdoptAudio:
    """Store the audio that came inside ``conversation.item.create`` with this item."""

    item_id: str


@dataclass(frozen=True, slots=True)
class CutAudio:
    """Keep only the first ``ticks`` of an item's audio."""

    item_id: str
    ticks: int


@dataclass(frozen=True, slots=True)
class ForgetAudio:
    """Drop the audio of a deleted item."""

    item_id: str


@dataclass(frozen=True, slots=True)
class StartTranscription:
    """Transcribe an item's audio, or the input buffer from ``start`` to ``end`` if no item has it yet."""

    job_id: str
    item_id: str
    start: int
    end: int
    language: str | None
    prompt: str
    model: str


@dataclass(frozen=True, slots=True)
class StartScore:
    """Score whether the turn in the input buffer from ``start`` to ``end`` is over."""

    job_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class StartAnswer:
    """Answer a conversation; ``speak_job_id`` is empty if the answer is text only."""

    job_id: str
    speak_job_id: str
    request: ChatRequest
    voice: str
    speed: float
    memory: MemoryOptions | None = None
    """Whose memories to recall for the answer."""


@dataclass(frozen=True, slots=True)
class StartSpeech:
    """Speak ``text``, which does not come from an LLM."""

    job_id: str
    text: str
    voice: str
    speed: float


@dataclass(frozen=True, slots=True)
class CancelJob:
    """Cancel a job; its further results are ignored."""

    job_id: str


@dataclass(frozen=True, slots=True)
class PersistItem:
    """Write a version of an item to the store; ``item`` None means that it was deleted."""

    item_id: str
    position: int
    revision: int
    item: OwnItem | None
    interrupted: bool = False
    """True if its speaker was stopped before the end."""
    call: str = ""
    """Id of the function call that it is or answers, if there is one in the conversation."""


@dataclass(frozen=True, slots=True)
class Report:
    """Record an event for memory, analytics and webhooks, with the rows of the same input."""

    payload: EventPayload
    number: int
    """Its place among the events of the session in its log."""


@dataclass(frozen=True, slots=True)
class Charge:
    """Count against the rate limits."""

    requests: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class ComponentChanged:
    """A component of this conversation has failed, or works again: to be counted and logged."""

    component: Component
    mode: Mode
    is_down: bool


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection after all queued events were sent."""

    code: int
    reason: str


Effect = (
    Send
    | SendAudio
    | EndSpeech
    | DropSpeech
    | SendItem
    | Fence
    | CommitAudio
    | ForgetInput
    | RestartVad
    | AdoptAudio
    | CutAudio
    | ForgetAudio
    | StartTranscription
    | StartScore
    | StartAnswer
    | StartSpeech
    | CancelJob
    | PersistItem
    | Report
    | Charge
    | ComponentChanged
    | Close
)
