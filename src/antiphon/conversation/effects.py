"""What a conversation asks for: events to send, work to start or stop, audio to keep."""

from __future__ import annotations

from dataclasses import dataclass

from antiphon.entities.chat import ChatRequest
from antiphon.wire.realtime_items import OwnItem
from antiphon.wire.realtime_server import (
    Component,
    ConversationItemRetrieved,
    Mode,
    ResponseOutputAudioDelta,
    ServerMessage,
)
from antiphon.wire.realtime_session import AudioFormat


@dataclass(frozen=True, slots=True)
class Send:
    """Send an event to the client."""

    event: ServerMessage


@dataclass(frozen=True, slots=True)
class SendAudio:
    """Send the speech that lies under ``ref``, and keep it with its item. ``event.delta`` is empty."""

    event: ResponseOutputAudioDelta
    ref: int
    form: AudioFormat
    """Of the whole answer."""


@dataclass(frozen=True, slots=True)
class EndSpeech:
    """Send what the way to the wire format still keeps back of an answer's speech, if anything."""

    event: ResponseOutputAudioDelta


@dataclass(frozen=True, slots=True)
class DropSpeech:
    """Forget the speech under ``ref``: it will never be sent."""

    ref: int


@dataclass(frozen=True, slots=True)
class SendItem:
    """Send ``…item.retrieved`` with the audio that is kept for the item."""

    event: ConversationItemRetrieved


@dataclass(frozen=True, slots=True)
class Fence:
    """Nothing of this response's audio may be written any more: what is queued for the socket goes.

    Where something went, the conversation is told so: `inputs.Unsent`.
    """

    response_id: str


@dataclass(frozen=True, slots=True)
class CommitAudio:
    """Make the input buffer from ``start`` to ``end`` (ticks) the audio of an item; drop what came before ``end``."""

    item_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ForgetInput:
    """Drop the input buffer before ``end`` (ticks)."""

    end: int
    is_break: bool = False
    """True where the client begins anew: half a sample that still waits for its other half goes as well."""


@dataclass(frozen=True, slots=True)
class RestartVad:
    """Begin a fresh stream of voice scores, number ``stream``, at the end of what was written."""

    stream: int


@dataclass(frozen=True, slots=True)
class AdoptAudio:
    """The audio that came inside ``conversation.item.create`` belongs to this item."""

    item_id: str


@dataclass(frozen=True, slots=True)
class CutAudio:
    """Keep only the first ``ticks`` of an item's audio."""

    item_id: str
    ticks: int


@dataclass(frozen=True, slots=True)
class ForgetAudio:
    """The item is gone, and so is its audio."""

    item_id: str


@dataclass(frozen=True, slots=True)
class StartTranscription:
    """Transcribe an item's audio, or the input buffer from ``start`` to ``end`` where no item has it yet."""

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
    """Answer a conversation; ``speak_job_id`` is empty where the answer is only written."""

    job_id: str
    speak_job_id: str
    request: ChatRequest
    voice: str
    speed: float


@dataclass(frozen=True, slots=True)
class StartSpeech:
    """Speak ``text``, which no model has written."""

    job_id: str
    text: str
    voice: str
    speed: float


@dataclass(frozen=True, slots=True)
class CancelJob:
    """Stop a job; its results do not count any more."""

    job_id: str


@dataclass(frozen=True, slots=True)
class PersistItem:
    """Write a version of an item to the store; ``item`` None means that it was deleted."""

    item_id: str
    position: int
    revision: int
    item: OwnItem | None


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
    """Close the connection after what is queued was sent."""

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
    | Charge
    | ComponentChanged
    | Close
)
