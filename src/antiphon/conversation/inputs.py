"""What a conversation is told: by its client, by its workers, by the clock. Events, never samples."""

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
    """A client event. Audio was taken out of it: ``audio_ticks`` says how long the audio of each content part was."""

    message: ClientCommand
    audio_ticks: tuple[int, ...] = ()


class AudioAppended(Input, frozen=True, tag="audio_appended"):
    """The client sent this much audio, which goes into the input buffer unless it is refused."""

    ticks: int
    event_id: str | None = None


class VoiceScored(Input, frozen=True, tag="voice_scored"):
    """Speech probabilities of consecutive 32 ms windows of stream number ``stream``."""

    stream: int
    probabilities: tuple[float, ...]


class TurnScored(Input, frozen=True, tag="turn_scored"):
    """How likely the turn is over, 0..1."""

    job_id: str
    probability: float


class Transcribing(Input, frozen=True, tag="transcribing"):
    """A part of a transcript."""

    job_id: str
    segment: Segment


class Transcribed(Input, frozen=True, tag="transcribed"):
    """A whole transcript; empty for noise."""

    job_id: str
    text: str
    duration_s: float


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
    """The language model has finished."""

    job_id: str
    finish_reason: str
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0


class AudioMade(Input, frozen=True, tag="audio_made"):
    """Speech was made; the samples lie at the door under ``ref``."""

    job_id: str
    ref: int
    ticks: int
    text: str = ""
    """The sentence that begins here."""


class SentenceMade(Input, frozen=True, tag="sentence_made"):
    """The sentence whose speech came last has come to its end."""

    job_id: str


class SpeechMade(Input, frozen=True, tag="speech_made"):
    """All was spoken."""

    job_id: str
    by_another: bool = False
    """True when an engine stood in for the one that should have spoken."""


class Failed(Input, frozen=True, tag="failed"):
    """A job was given up."""

    job_id: str
    error_type: str
    code: str | None
    message: str
    transient: bool = True
    """False where the same would fail again: it lies with the request, or with us."""


class Unsent(Input, frozen=True, tag="unsent"):
    """So much of an item's speech was still queued when its answer was broken off; the client never got it."""

    item_id: str
    ticks: int


class Resumed(Input, frozen=True, tag="resumed"):
    """The conversation was taken up at another door: what it held of the input buffer is lost."""

    counter: int
    """Number of the last id that was perhaps given out before."""
    keeps_answers: bool
    """False ends the answers under way: their listener asked for nothing that it has missed."""


class AllowanceChanged(Input, frozen=True, tag="allowance_changed"):
    """What the rate limits leave; empty where none applies."""

    allowances: tuple[Allowance, ...]


class ComponentSeen(Input, frozen=True, tag="leg_seen"):
    """Something that the whole server stands on was seen to fail, or to work; told as often as one likes."""

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
"""What the workers of one response tell; may be held back until a turn is sure, or until playout is due."""
