"""The value that a conversation is. Everything here survives `snapshot.dump` and `snapshot.load` unchanged."""

from __future__ import annotations

from typing import Literal

import msgspec

from antiphon.audio.ticks import TICKS_PER_MS
from antiphon.conversation.inputs import WorkerInput
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
    """Whom the results of a job are for. Clients choose item ids, so the kind is never guessed from the id."""

    kind: OwnerKind
    id: str = ""
    """Id of the item, also of one still being spoken, or of the response."""
    due: float = 0.0
    """When the job is given up unless it shows a result, seconds; 0 is never."""


MAX_CHARACTERS = 32 * 2**20
"""Most in all items of a client together, images as base64 included."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What the server was configured to do; the same for all its sessions."""

    accepts_images: bool = False
    image_hosts: tuple[str, ...]
    """Hosts whose images clients may name by an address; other images come as their bytes."""
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
    job_timeout_s: float
    """A job that shows no result for so long is given up; 0 waits for ever."""
    apology: str
    """What is answered while no model can; ``{heard}`` is what was understood. Empty: the answer fails."""


class SpokenSentence(msgspec.Struct, frozen=True):
    """A sentence and where its speech begins, in ticks from the start of the item's audio."""

    text: str
    start: int


class Playout(msgspec.Struct):
    """What is known of an answer's speech: how much was sent, since when, and which words it speaks."""

    text: str = ""
    """All words that were to be spoken."""
    made: int = 0
    """Ticks made, sent or not."""
    whole: int = 0
    """Ticks up to which all sentences were made to their end."""
    sent: int = 0
    """Ticks sent."""
    base: int = 0
    """Ticks that had been heard at `since`."""
    since: float = 0.0
    """When the last delta was sent, seconds."""
    spans: list[SpokenSentence] = msgspec.field(default_factory=list[SpokenSentence])
    cut: int | None = None
    """Ticks that were heard, once that is known or estimated."""
    cut_due: float | None = None
    """When the estimate becomes final, because the client's truncate did not come."""


class ItemRecord(msgspec.Struct):
    """An item and what the client does not see of it."""

    item: OwnItem
    position: int
    revision: int = 0
    heard: str | None = None
    """What the user said, for the language model; None until it is known."""
    hearing: Literal["none", "pending", "done", "failed"] = "none"
    input_ticks: int = 0
    """Length of the user's audio."""
    size: int = 0
    """Characters of an item of the client."""
    playout: Playout | None = None


class OutputItem(msgspec.Struct):
    """One item of a response that is under way."""

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
        """Append to the text, which is taken out first: CPython copies a text that something else refers to."""
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
    """Out of band only: items that are in no conversation."""
    answered: bool = False
    """The language model has finished."""
    spoken: bool = False
    """The speaker has finished."""
    status: ResponseStatus = "completed"
    """How it will end if nothing else happens."""
    reason: Reason | None = None
    usage: Usage | None = None
    asked_tokens: int = 0
    """Tokens of what the model was asked, estimated."""
    said_tokens: int = 0
    """Pieces that the model has said; most models make one of each token."""
    audio_ticks: int = 0
    burst_ticks: int = 80 * TICKS_PER_MS
    """How much paced speech leaves at a time; at least its longest piece, and so much that few wake-ups are needed."""
    input_audio_ticks: int = 0
    held: list[WorkerInput] = msgspec.field(default_factory=list[WorkerInput])
    """Results that wait for their playout to be due."""
    due: float = 0.0
    """When the listener has caught up so far that a burst fits into the lead; stays 0 without pacing."""
    eager: bool = True
    """What comes next may go as soon as it fits; False while more waits than fits, which then goes in bursts."""


class Speculation(msgspec.Struct):
    """An answer that was begun in a first silence and is held until the turn is sure."""

    end: int
    """Ticks up to which the turn was transcribed."""
    transcribe_job: str
    heard: str = ""
    """What is known of the transcript before it is whole."""
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
    """Where the audio begins that no item has yet."""
    stream: int = 0
    """Number of the stream of voice scores; older ones no longer count."""
    scored: int = 0
    """How far the voice was scored."""
    run: int = 0
    """Windows with voice in a row, before a turn has begun."""
    speech_item: str = ""
    """Id of the turn being spoken; empty while nobody speaks."""
    speech_start: int = 0
    silence_start: int | None = None
    """Where the present silence inside a turn began."""
    score_job: str = ""
    """The end-of-turn job asked in this silence."""
    score_sure: bool = False
    """The end-of-turn model holds the turn for finished."""


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
    """Id of the last event of the client that had one, appended audio aside."""
    records: list[ItemRecord] = msgspec.field(default_factory=list[ItemRecord])
    positions: int = 0
    """Highest position of an item so far."""
    buffer: BufferState = msgspec.field(default_factory=BufferState)
    responses: dict[str, ResponseState] = msgspec.field(default_factory=dict[str, ResponseState])
    active: str = ""
    """Id of the default conversation's response, or empty."""
    due: list[str] = msgspec.field(default_factory=list[str])
    """Turns that ask for an answer, which waits for their transcripts or for another answer to end."""
    answer_anyway: bool = False
    """The answer due comes even if nothing was understood (idle timeout)."""
    jobs: dict[str, Owner] = msgspec.field(default_factory=dict[str, Owner])
    """Whom a running job belongs to."""
    cuts: list[str] = msgspec.field(default_factory=list[str])
    """Items whose `Playout.cut_due` runs."""
    idle_due: float | None = None
    idle_from: int = 0
    voice_locked: bool = False
    """Speech was sent: the voice cannot change any more."""
    speculation: Speculation | None = None
    allowances: tuple[Allowance, ...] = ()
    down: list[Component] = msgspec.field(default_factory=list[Component])
    """Components that have failed and were not seen to work since."""
    has_other_voice: bool = False
    """True when an engine stood in for the usual one at the last speech."""
    resume_token: str = ""
    """Told in ``session.created``; empty where the session cannot be resumed."""
    locked: tuple[str, ...] = ()
    """Fields of the session that its client may not set."""
