"""Server events of the Realtime protocol: the class name is the event, the tag its name on the wire."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from antiphon.text.quoting import handle
from antiphon.wire.realtime_items import OwnItem
from antiphon.wire.realtime_response import Response
from antiphon.wire.realtime_session import AnySession
from antiphon.wire.usage import DurationUsage


class ServerEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of all server events. ``event_id`` increases within a session."""

    event_id: str


# -- session and errors ----------------------------------------------------------------------------------------------
class SessionExtras(msgspec.Struct, frozen=True):
    """Fields of a session beyond OpenAI's."""

    resume_token: str
    """Token with which another client secret of the same key may resume the session; keep it private."""


class SessionCreated(ServerEvent, frozen=True, tag="session.created"):
    """The first event."""

    session: AnySession
    antiphon: SessionExtras | UnsetType = UNSET
    """Absent if a lost session cannot be resumed."""


class SessionUpdated(ServerEvent, frozen=True, tag="session.updated"):
    """The whole effective configuration after a ``session.update``."""

    session: AnySession


class SessionResumed(ServerEvent, frozen=True, tag="antiphon.session.resumed"):
    """All missed events have been sent again, and the session continues. Sent only after resuming."""

    session_id: str
    audio_start_ms: int
    """Start of the input audio to send again, on the clock of ``speech_started``."""
    client_event_id: str | None
    """Id of the last processed client event; later ones, and audio, must be sent again."""


Component = Literal["stt", "llm", "tts", "redis", "database"]
"""What a conversation depends on. On the wire the field is ``leg``."""
Mode = Literal["text_input_only", "apology", "text_only", "other_voice", "no_new_sessions", "buffered"]
"""How a conversation continues without one of them."""


class Degraded(ServerEvent, frozen=True, tag="antiphon.degraded"):
    """A component has failed; the conversation continues without it. Sent only if ``antiphon.degraded`` is included."""

    component: Component = msgspec.field(name="leg")
    mode: Mode


class Recovered(ServerEvent, frozen=True, tag="antiphon.recovered"):
    """A component works again. Sent only if ``antiphon.degraded`` is included."""

    component: Component = msgspec.field(name="leg")
    mode: Mode


TAKEN_OVER = 4409
"""Close code of a connection whose session was resumed by another one."""


class ErrorDetail(msgspec.Struct, frozen=True):
    """All five keys are always present; an event id longer than 256 characters is shortened in the middle."""

    type: str
    code: str | None
    message: str
    param: str | None = None
    event_id: str | None = None

    def __post_init__(self) -> None:
        if self.event_id is not None:
            msgspec.structs.force_setattr(self, "event_id", handle(self.event_id))


class Error(ServerEvent, frozen=True, tag="error"):
    """A client event was refused; nothing has changed and the session continues."""

    error: ErrorDetail


class RateLimit(msgspec.Struct, frozen=True):
    """The remaining quota of one limit."""

    name: str
    limit: int
    remaining: int
    reset_seconds: float


class RateLimitsUpdated(ServerEvent, frozen=True, tag="rate_limits.updated"):
    """After ``response.created`` where a limit applies."""

    rate_limits: tuple[RateLimit, ...]


# -- conversation ----------------------------------------------------------------------------------------------------
class ConversationItemAdded(ServerEvent, frozen=True, tag="conversation.item.added"):
    """An item was added to the conversation; one of the model is still empty."""

    previous_item_id: str | None
    item: OwnItem


class ConversationItemDone(ServerEvent, frozen=True, tag="conversation.item.done"):
    """An item is final."""

    previous_item_id: str | None
    item: OwnItem


class ConversationItemRetrieved(ServerEvent, frozen=True, tag="conversation.item.retrieved"):
    """The item asked for, with its audio."""

    item: OwnItem


class ConversationItemDeleted(ServerEvent, frozen=True, tag="conversation.item.deleted"):
    """The item was deleted."""

    item_id: str


class ConversationItemTruncated(ServerEvent, frozen=True, tag="conversation.item.truncated"):
    """The item was truncated to the audio that was played."""

    item_id: str
    content_index: int
    audio_end_ms: int


class LogProb(msgspec.Struct, frozen=True):
    """Log probability of a token of the transcript."""

    token: str
    logprob: float
    bytes: list[int]


class InputAudioTranscriptionDelta(ServerEvent, frozen=True, tag="conversation.item.input_audio_transcription.delta"):
    """More of the user's transcript."""

    item_id: str
    content_index: int
    delta: str
    logprobs: list[LogProb] | UnsetType = UNSET


class InputAudioTranscriptionCompleted(
    ServerEvent, frozen=True, tag="conversation.item.input_audio_transcription.completed"
):
    """The complete transcript of the user's turn."""

    item_id: str
    content_index: int
    transcript: str
    usage: DurationUsage
    logprobs: list[LogProb] | UnsetType = UNSET


class TranscriptionError(msgspec.Struct, frozen=True):
    """Why a transcription failed."""

    type: str
    message: str
    code: str | UnsetType = UNSET


class InputAudioTranscriptionFailed(ServerEvent, frozen=True, tag="conversation.item.input_audio_transcription.failed"):
    """Transcription of the user's turn failed; the item stays."""

    item_id: str
    content_index: int
    error: TranscriptionError


# -- input buffer ----------------------------------------------------------------------------------------------------
class InputAudioBufferSpeechStarted(ServerEvent, frozen=True, tag="input_audio_buffer.speech_started"):
    """Speech has started; ``audio_start_ms`` counts all audio written and includes the padding."""

    audio_start_ms: int
    item_id: str


class InputAudioBufferSpeechStopped(ServerEvent, frozen=True, tag="input_audio_buffer.speech_stopped"):
    """The turn is over; ``audio_end_ms`` is the end of its audio, the silence that ended it included."""

    audio_end_ms: int
    item_id: str


class InputAudioBufferCommitted(ServerEvent, frozen=True, tag="input_audio_buffer.committed"):
    """The buffer became the item ``item_id``."""

    previous_item_id: str | None
    item_id: str


class InputAudioBufferCleared(ServerEvent, frozen=True, tag="input_audio_buffer.cleared"):
    """The buffer is empty."""


class InputAudioBufferTimeoutTriggered(ServerEvent, frozen=True, tag="input_audio_buffer.timeout_triggered"):
    """No speech for ``idle_timeout_ms``; a response follows."""

    audio_start_ms: int
    audio_end_ms: int
    item_id: str


# -- responses -------------------------------------------------------------------------------------------------------
class ResponseCreated(ServerEvent, frozen=True, tag="response.created"):
    """A response begins."""

    response: Response


class ResponseDone(ServerEvent, frozen=True, tag="response.done"):
    """A response is over; no more of its events follow."""

    response: Response


class ResponsePartEvent(ServerEvent, frozen=True):
    """Position of an event in a response."""

    response_id: str
    item_id: str
    output_index: int


class ResponseContentEvent(ResponsePartEvent, frozen=True):
    """Position of an event in a response's message."""

    content_index: int


class ResponseOutputItemAdded(ServerEvent, frozen=True, tag="response.output_item.added"):
    """A new item of the response."""

    response_id: str
    output_index: int
    item: OwnItem


class ResponseOutputItemDone(ServerEvent, frozen=True, tag="response.output_item.done"):
    """An item of the response is final."""

    response_id: str
    output_index: int
    item: OwnItem


class ContentPart(msgspec.Struct, frozen=True):
    """A content part; here the types are ``text`` and ``audio``."""

    type: Literal["text", "audio"]
    text: str | UnsetType = UNSET
    transcript: str | UnsetType = UNSET


class ResponseContentPartAdded(ResponseContentEvent, frozen=True, tag="response.content_part.added"):
    """A new content part."""

    part: ContentPart


class ResponseContentPartDone(ResponseContentEvent, frozen=True, tag="response.content_part.done"):
    """A content part is final."""

    part: ContentPart


class ResponseOutputTextDelta(ResponseContentEvent, frozen=True, tag="response.output_text.delta"):
    """More text."""

    delta: str


class ResponseOutputTextDone(ResponseContentEvent, frozen=True, tag="response.output_text.done"):
    """All text."""

    text: str


class ResponseOutputAudioTranscriptDelta(
    ResponseContentEvent, frozen=True, tag="response.output_audio_transcript.delta"
):
    """More of the text that is spoken."""

    delta: str


class ResponseOutputAudioTranscriptDone(ResponseContentEvent, frozen=True, tag="response.output_audio_transcript.done"):
    """The complete text that is spoken."""

    transcript: str


class ResponseOutputAudioDelta(ResponseContentEvent, frozen=True, tag="response.output_audio.delta"):
    """More audio, base64 in the response's format."""

    delta: str


class ResponseOutputAudioDone(ResponseContentEvent, frozen=True, tag="response.output_audio.done"):
    """No more audio."""


class ResponseFunctionCallArgumentsDelta(ResponsePartEvent, frozen=True, tag="response.function_call_arguments.delta"):
    """More of a call's arguments."""

    call_id: str
    delta: str


class ResponseFunctionCallArgumentsDone(ResponsePartEvent, frozen=True, tag="response.function_call_arguments.done"):
    """All arguments of a call."""

    call_id: str
    name: str
    arguments: str


ServerMessage = (
    SessionCreated
    | SessionUpdated
    | SessionResumed
    | Degraded
    | Recovered
    | Error
    | RateLimitsUpdated
    | ConversationItemAdded
    | ConversationItemDone
    | ConversationItemRetrieved
    | ConversationItemDeleted
    | ConversationItemTruncated
    | InputAudioTranscriptionDelta
    | InputAudioTranscriptionCompleted
    | InputAudioTranscriptionFailed
    | InputAudioBufferSpeechStarted
    | InputAudioBufferSpeechStopped
    | InputAudioBufferCommitted
    | InputAudioBufferCleared
    | InputAudioBufferTimeoutTriggered
    | ResponseCreated
    | ResponseDone
    | ResponseOutputItemAdded
    | ResponseOutputItemDone
    | ResponseContentPartAdded
    | ResponseContentPartDone
    | ResponseOutputTextDelta
    | ResponseOutputTextDone
    | ResponseOutputAudioTranscriptDelta
    | ResponseOutputAudioTranscriptDone
    | ResponseOutputAudioDelta
    | ResponseOutputAudioDone
    | ResponseFunctionCallArgumentsDelta
    | ResponseFunctionCallArgumentsDone
)
