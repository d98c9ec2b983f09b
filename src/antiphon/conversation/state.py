"""The state of a conversation. `snapshot.dump` and `snapshot.load` preserve all of it."""

from __future__ import annotations

from typing import Literal

import msgspec

from antiphon.audio.ticks import TICKS_PER_MS
from antiphon.conversation.inputs import WorkerInput
from antiphon.entities.events import ANALYTICS, Log
from antiphon.ports.limiter import Allowance
from antiphon.wire.realtime_items import ItemReference, OwnItem, Status
from antiphon.wire.realtime_response import Reason, ResponseStatus, Usage
from antiphon.wire.realtime_server import Component
from antiphon.wire.realtime_session import (
    AnySession,
    AudioFormat,
    FunctionTool,
    MaxTokens,
    Modality,
    ToolChoice,
)

OwnerKind = Literal["item", "turn", "response", "speculation"]


class Owner(msgspec.Struct, frozen=True):
    """The owner of a job's results. Clients choose item ids, so the kind is never derived from the id."""

    kind: OwnerKind
    id: str = ""
    """Id of the item, also of one still being spoken, or of the response."""
    due: float = 0.0
    """When the job times out unless it gives a result, seconds; 0 is never."""


MAX_CHARACTERS = 32 * 2**20
"""Maximum size of all items of a client together, including images as base64."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Configuration of the server; the same for all its sessions."""

    accepts_images: bool = False
    image_hosts: tuple[str, ...] = ()
    """Hosts whose image URLs are accepted; other images must be sent as data."""
    pace: bool
    """True holds speech back so that it is at most `lead_ms` ahead of the listener."""
    lead_ms: int = 200
    truncate_wait_s: float
    speculate_ms: int
    max_items: int
    max_characters: int = MAX_CHARACTERS
    """In all items of the client together, images included."""
    max_buffer_s: float
    max_out_of_band: int = 8
    min_commit_ms: int = 100
    job_timeout_s: float = msgspec.field(name="patience_s")
    """A job without a result for this long times out; 0 disables the timeout. In snapshots it has its former name."""
    apology: str
    """The answer while no LLM works; ``{heard}`` stands for the user's words. Empty: the response fails."""


class SpokenSentence(msgspec.Struct, frozen=True):
    """A sentence and where its speech begins, in ticks from the start of the item's audio."""

    text: str
    start: int


class Playout(msgspec.Struct):
    """Playout of an answer's speech: how much was made, sent and heard, and its words."""

    text: str = ""
    """All words to be spoken."""
    made: int = 0
    """Ticks made, sent or not."""
    whole: int = 0
    """Ticks up to the end of the last complete sentence."""
    sent: int = 0
    """Ticks sent."""
    base: int = 0
    """Ticks heard by `since`."""
    since: float = 0.0
    """When the last delta was sent, seconds."""
    spans: list[SpokenSentence] = msgspec.field(default_factory=list[SpokenSentence])
    cut: int | None = None
    """Ticks that were heard, once known or estimated."""
    cut_due: float | None = None
    """When the estimate becomes final unless the client sends a truncate."""


class ItemRecord(msgspec.Struct):
    """An item and its internal state."""

    item: OwnItem
    position: int
    revision: int = 0
    heard: str | None = None
    """The transcript of the user's audio, for the LLM; None until known."""
    hearing: Literal["none", "pending", "done", "failed"] = "none"
    input_ticks: int = 0
    """Length of the user's audio."""
    size: int = 0
    """Characters of an item of the client."""
    playout: Playout | None = None
    interrupted: bool = False
    """True if it is an answer that was stopped before its end."""
    asked_at: float = 0.0
    """When the transcription of the whole speech began; 0 if it was not."""


class OutputItem(msgspec.Struct):
    """One item of a response in progress."""

    item_id: str
    kind: Literal["message", "function_call"]
    index: int
    text: str = ""
    """Text, transcript or arguments so far."""
    name: str = ""
    call_id: str = ""
    call_index: int = -1
    status: Status = "in_progress"

    @property
    def open(self) -> bool:
        """True until it is closed."""
        return self.status == "in_progress"

    def add(self, more: str) -> None:
        """Append to the text. The attribute is emptied first: CPython copies a string that has other references."""
        text, self.text = self.text, ""
        text += more
        self.text = text


class ResponseState(msgspec.Struct):
    """A response that is not done."""

    id: str
    conversation_id: str | None
    modalities: list[Modality]
    instructions: str
    tools: list[FunctionTool]
    tool_choice: ToolChoice
    max_output_tokens: MaxTokens
    format: AudioFormat
    voice: str
    speed: float
    metadata: dict[str, str] | None
    parallel_tool_calls: bool = True
    reasoning_effort: str = ""
    input: list[OwnItem | ItemReference] | None = None
    """Items that replace the conversation, and references to items of it."""
    waits: bool = True
    """True until all speech it answers is transcribed and its jobs have started."""
    job_id: str = ""
    speak_job_id: str = ""
    outputs: list[OutputItem] = msgspec.field(default_factory=list[OutputItem])
    playouts: dict[str, Playout] = msgspec.field(default_factory=dict[str, Playout])
    """Playouts by item id, for out-of-band responses only."""
    answered: bool = False
    """The LLM has finished."""
    spoken: bool = False
    """TTS has finished."""
    status: ResponseStatus = "completed"
    """The final status unless the response is cancelled or fails."""
    reason: Reason | None = None
    usage: Usage | None = None
    asked_tokens: int = 0
    """Estimated tokens of the LLM request."""
    said_tokens: int = 0
    """Pieces of LLM output; most models send one per token."""
    audio_ticks: int = 0
    burst_ticks: int = 80 * TICKS_PER_MS
    """Size of a burst of paced speech: at least its longest piece, and large enough for few wake-ups."""
    input_audio_ticks: int = 0
    held: list[WorkerInput] = msgspec.field(default_factory=list[WorkerInput])
    """Results that wait until pacing releases them."""
    due: float = 0.0
    """When the lead has room for the next burst, seconds; 0 without pacing."""
    turn: int = 0
    """Its number in the session, from 1."""
    created_at: float = 0.0
    text_at: float = 0.0
    """When its first text came; 0 without text."""
    audio_at: float = 0.0
    """When its first speech was sent; 0 without speech."""
    chunks: int = 0
    """Pieces of speech that were sent."""
    voice_engine: str = ""
    """Name of the engine that has spoken, once it is done."""
    eager: bool = True
    """True sends the next piece as soon as it fits; False while speech is held, which is sent in bursts."""


class Speculation(msgspec.Struct):
    """A response begun in the first silence of a turn and held until the turn is over."""

    end: int
    """Ticks up to which the turn was transcribed."""
    transcribe_job: str
    heard: str = ""
    """The transcript so far, until it is complete."""
    text: str | None = None
    duration_s: float = 0.0
    job_id: str = ""
    speak_job_id: str = ""
    asked_tokens: int = 0
    held: list[WorkerInput] = msgspec.field(default_factory=list[WorkerInput])


class BufferState(msgspec.Struct):
    """The input buffer and the turn that is being spoken into it. Positions are ticks since the session's start."""

    written: int = 0
    start: int = 0
    """Start of the audio that no item has yet."""
    stream: int = 0
    """Number of the stream of voice scores; scores of older streams are ignored."""
    scored: int = 0
    """Position up to which the audio was scored."""
    run: int = 0
    """Consecutive windows with voice, before a turn has begun."""
    speech_item: str = ""
    """Item id of the turn in progress; empty between turns."""
    speech_start: int = 0
    silence_start: int | None = None
    """Start of the current silence inside a turn."""
    score_job: str = ""
    """The end-of-turn job of this silence."""
    score_sure: bool = False
    """True when the end-of-turn model considers the turn finished."""


class State(msgspec.Struct):
    """A whole conversation."""

    seed: str
    """Random part of all ids."""
    session: AnySession
    rules: Rules
    conversation_id: str
    counter: int = 0
    opened_at: float = 0.0
    expires_at: float = 0.0
    """On the machine's clock."""
    closed: bool = False
    client_event: str | None = None
    """Id of the client's last event that had one, other than appended audio."""
    records: list[ItemRecord] = msgspec.field(default_factory=list[ItemRecord])
    positions: int = 0
    """Highest position of an item so far."""
    revisions: int = 0
    """Highest revision of an item so far."""
    turns: int = 0
    """Responses so far."""
    events: dict[Log, int] = msgspec.field(default_factory=lambda: dict[Log, int]({ANALYTICS: 1}))
    """Events of this session in each log so far. The first says that it was opened, and comes from the door."""
    remembered: str = ""
    """Id of the last item of the user that is to be remembered."""
    buffer: BufferState = msgspec.field(default_factory=BufferState)
    responses: dict[str, ResponseState] = msgspec.field(default_factory=dict[str, ResponseState])
    active: str = ""
    """Id of the default conversation's response, or empty."""
    due: list[str] = msgspec.field(default_factory=list[str])
    """Turns to be answered, once they are transcribed and no other response is active."""
    answer_anyway: bool = False
    """True answers `due` even without a transcript (idle timeout)."""
    jobs: dict[str, Owner] = msgspec.field(default_factory=dict[str, Owner])
    """Owners of running jobs, by job id."""
    cuts: list[str] = msgspec.field(default_factory=list[str])
    """Items whose `Playout.cut_due` is pending."""
    idle_due: float | None = None
    idle_from: int = 0
    voice_locked: bool = False
    """Speech was sent: the voice cannot change any more."""
    speculation: Speculation | None = None
    allowances: tuple[Allowance, ...] = ()
    down: list[Component] = msgspec.field(default_factory=list[Component])
    """Components that have failed and not worked since."""
    has_other_voice: bool = False
    """True when the last speech came from a fallback engine."""
    resume_token: str = ""
    """Sent in ``session.created``; empty if the session cannot be resumed."""
    locked: tuple[str, ...] = ()
    """Fields of the session that its client may not set."""
