"""Inputs of a conversation, from its client, its workers and the clock: events, never samples."""

from __future__ import annotations

import msgspec

from antiphon.entities.speech import Segment
from antiphon.ports.limiter import Allowance
from antiphon.wire.realtime_client import ClientCommand
from antiphon.wire.realtime_server import Component


class Input(msgspec.Struct, frozen=True, tag_field="input"):
    """Something that happened."""


class Opened(Input, frozen=True, tag="opened"):
    """The client is connected; the first input."""


class Received(Input, frozen=True, tag="received"):
    """A client event without its audio; ``audio_ticks`` is the length of the audio of each content part."""

    message: ClientCommand
    audio_ticks: tuple[int, ...] = ()


class AudioAppended(Input, frozen=True, tag="audio_appended"):
    """The client appended this much audio to the input buffer."""

    ticks: int
    event_id: str | None = None


class VoiceScored(Input, frozen=True, tag="voice_scored"):
    """Speech probabilities of consecutive 32 ms windows of stream number ``stream``."""

    stream: int
    probabilities: tuple[float, ...]


class TurnScored(Input, frozen=True, tag="turn_scored"):
    """Probability that the turn is over, 0..1."""

    job_id: str
    probability: float


class Transcribing(Input, frozen=True, tag="transcribing"):
    """A part of a transcript."""

    job_id: str
    segment: Segment


class Transcribed(Input, frozen=True, tag="transcribed"):
    """A complete transcript; empty for noise."""

    job_id: str
    text: str
    duration_s: float
    engine: str = ""
    """Name of the engine in the settings."""


class TextMade(Input, frozen=True, tag="text_made"):
    """More of an answer's text."""

    job_id: str
    text: str


class CallMade(Input, frozen=True, tag="call_made"):
    """More of a function call."""

    job_id: str
    index: int
    call_id: str
    name: str
    arguments: str


class AnswerMade(Input, frozen=True, tag="answer_made"):
    """The LLM has finished."""

    job_id: str
    finish_reason: str
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0


class AudioMade(Input, frozen=True, tag="audio_made"):
    """Speech was made; the gateway holds the samples under ``ref``."""

    job_id: str
    ref: int
    ticks: int
    text: str = ""
    """The sentence that begins here."""


class SentenceMade(Input, frozen=True, tag="sentence_made"):
    """The speech of the current sentence is complete."""

    job_id: str


class SpeechMade(Input, frozen=True, tag="speech_made"):
    """All speech is complete."""

    job_id: str
    by_another: bool = False
    """True when a fallback engine has spoken."""
    engine: str = ""
    """Name of the engine in the settings."""


class Failed(Input, frozen=True, tag="failed"):
    """A job has failed."""

    job_id: str
    error_type: str
    code: str | None
    message: str
    transient: bool = True
    """False if the same job would fail again, because of the request or a defect of the server."""


class Unsent(Input, frozen=True, tag="unsent"):
    """This much of an item's speech was still queued when its response was cancelled; it was never sent."""

    item_id: str
    ticks: int


class Resumed(Input, frozen=True, tag="resumed"):
    """The session was resumed at a gateway that does not have the input buffer."""

    counter: int
    """Highest number that an id may have had before."""
    keeps_answers: bool
    """False ends the responses in progress: the client did not ask for missed events."""


class AllowanceChanged(Input, frozen=True, tag="allowance_changed"):
    """The remaining rate limits; empty if none applies."""

    allowances: tuple[Allowance, ...]


class ComponentSeen(Input, frozen=True, tag="component_seen"):
    """A component that all sessions share has failed, or works; may be repeated."""

    component: Component
    is_down: bool


class Tick(Input, frozen=True, tag="tick"):
    """Time has passed; sent when ``Conversation.wake_at`` is due."""


AnyInput = (
    Opened
    | Received
    | AudioAppended
    | VoiceScored
    | TurnScored
    | Transcribing
    | Transcribed
    | TextMade
    | CallMade
    | AnswerMade
    | AudioMade
    | SentenceMade
    | SpeechMade
    | Failed
    | Unsent
    | Resumed
    | AllowanceChanged
    | ComponentSeen
    | Tick
)
WorkerInput = TextMade | CallMade | AnswerMade | AudioMade | SentenceMade | SpeechMade | Failed
"""Results of the workers of one response; held until the turn is over, or until pacing releases them."""
