"""Client events of the Realtime protocol: the class name is the event, the tag its name on the wire."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from antiphon.wire.realtime_items import AnyItem, InputItem, Name, SomeId, Text
from antiphon.wire.realtime_session import (
    AnySessionUpdate,
    AudioFormat,
    MaxTokens,
    Modalities,
    Partial,
    Prompt,
    Reasoning,
    ToolChoice,
    Tools,
    VoiceId,
)

EventId = Annotated[str, msgspec.Meta(max_length=512)]

Metadata = Annotated[
    dict[Annotated[str, msgspec.Meta(max_length=64)], Annotated[str, msgspec.Meta(max_length=512)]],
    msgspec.Meta(max_length=16),
]


class ClientEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True):
    """Base of all client events. Errors echo ``event_id``."""

    event_id: EventId | None = None


class SessionUpdate(ClientEvent, frozen=True, tag="session.update"):
    """Change the configuration; absent fields stay."""

    session: AnySessionUpdate


class InputAudioBufferAppend(ClientEvent, frozen=True, tag="input_audio_buffer.append"):
    """More audio, base64 in the session's input format."""

    audio: str


class InputAudioBufferCommit(ClientEvent, frozen=True, tag="input_audio_buffer.commit"):
    """End the turn; create an item from the buffered audio."""


class InputAudioBufferClear(ClientEvent, frozen=True, tag="input_audio_buffer.clear"):
    """Discard the audio since the last commit."""


class OutputAudioBufferClear(ClientEvent, frozen=True, tag="output_audio_buffer.clear"):
    """Stop playing; only for WebRTC and SIP, where the server holds the playout buffer."""


class ConversationItemCreate(ClientEvent, frozen=True, tag="conversation.item.create"):
    """Add an item; ``previous_item_id`` "root" puts it first, absent appends it."""

    item: AnyItem
    previous_item_id: SomeId | None = None


class ConversationItemRetrieve(ClientEvent, frozen=True, tag="conversation.item.retrieve"):
    """Ask for an item with its audio."""

    item_id: SomeId


class ConversationItemDelete(ClientEvent, frozen=True, tag="conversation.item.delete"):
    """Remove an item."""

    item_id: SomeId


class ConversationItemTruncate(ClientEvent, frozen=True, tag="conversation.item.truncate"):
    """Truncate an answer to the audio that was played."""

    item_id: SomeId
    content_index: int
    audio_end_ms: Annotated[int, msgspec.Meta(ge=0)]


class ResponseOutput(Partial, frozen=True):
    """Overrides of the spoken answer."""

    format: AudioFormat | UnsetType | None = UNSET
    voice: Name | VoiceId | UnsetType | None = UNSET


class ResponseAudio(Partial, frozen=True):
    """Overrides of the audio."""

    output: ResponseOutput | UnsetType | None = UNSET


class ResponseParams(Partial, frozen=True):
    """Overrides that last for one response."""

    output_modalities: Modalities | UnsetType | None = UNSET
    instructions: Text | UnsetType | None = UNSET
    audio: ResponseAudio | UnsetType | None = UNSET
    tools: Tools | UnsetType | None = UNSET
    tool_choice: ToolChoice | UnsetType | None = UNSET
    max_output_tokens: MaxTokens | UnsetType | None = UNSET
    metadata: Metadata | UnsetType | None = UNSET
    conversation: Literal["auto", "none"] | UnsetType | None = UNSET
    input: list[InputItem] | UnsetType | None = UNSET
    prompt: Prompt | UnsetType | None = UNSET
    reasoning: Reasoning | UnsetType | None = UNSET
    parallel_tool_calls: bool | UnsetType | None = UNSET


class ResponseCreate(ClientEvent, frozen=True, tag="response.create"):
    """Create a response."""

    response: ResponseParams | None = None


class ResponseCancel(ClientEvent, frozen=True, tag="response.cancel"):
    """Cancel a response; without an id, that of the default conversation."""

    response_id: SomeId | None = None


ClientCommand = (
    SessionUpdate
    | InputAudioBufferCommit
    | InputAudioBufferClear
    | OutputAudioBufferClear
    | ConversationItemCreate
    | ConversationItemRetrieve
    | ConversationItemDelete
    | ConversationItemTruncate
    | ResponseCreate
    | ResponseCancel
)
"""Every client event except the one with audio."""
ClientMessage = SessionUpdate | InputAudioBufferAppend | ClientCommand  # in the order of the reference pages
