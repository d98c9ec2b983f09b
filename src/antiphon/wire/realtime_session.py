"""Session configuration: as clients send it (all optional) and as the server echoes it (all effective).

``UNSET`` is a field that is absent, ``None`` one that is null; they differ: absent keeps, null clears.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import msgspec
from msgspec import UNSET, UnsetType

from antiphon.text.json_size import excess
from antiphon.wire.realtime_items import Name, Note, Text

Modality = Literal["text", "audio"]
Modalities = Annotated[list[Modality], msgspec.Meta(max_length=16)]
MaxTokens = Annotated[int, msgspec.Meta(ge=1, le=4096)] | Literal["inf"]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=60_000)]


class Partial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A partial update from a client; unknown fields are errors that name them."""

    def over(self, present: Self | None = None) -> Self:
        """Merge this update over ``present``: absent fields stay, a null clears. Unset fields are not echoed."""
        base = present if type(present) is type(self) else None
        fields: dict[str, Any] = {name: getattr(base, name) for name in self.__struct_fields__} if base else {}
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value is not UNSET:
                fields[name] = value.over() if isinstance(value, Partial) else UNSET if value is None else value
        return type(self)(**fields)


def _bounded(field: str, value: Any) -> None:
    """Refuse an oversized arbitrary value; the error names its field."""
    too_much = excess(value)
    if too_much:
        raise ValueError(f"{field}: the value has {too_much}")


# -- audio ---------------------------------------------------------------------------------------------------------
class AudioPcm(Partial, frozen=True, tag_field="type", tag="audio/pcm"):
    """Signed 16-bit little-endian mono at 24 kHz."""

    rate: Literal[24000] | UnsetType | None = 24000

    def __post_init__(self) -> None:
        """Set the effective rate, so that it is always echoed."""
        msgspec.structs.force_setattr(self, "rate", 24000)


class AudioPcmu(Partial, frozen=True, tag_field="type", tag="audio/pcmu"):
    """G.711 mu-law at 8 kHz."""


class AudioPcma(Partial, frozen=True, tag_field="type", tag="audio/pcma"):
    """G.711 A-law at 8 kHz."""


AudioFormat = AudioPcm | AudioPcmu | AudioPcma


class NoiseReduction(Partial, frozen=True):
    """Accepted and echoed; the packaged engines do not reduce noise."""

    type: Literal["near_field", "far_field"] | UnsetType | None = UNSET
    strength: float | UnsetType | None = UNSET


class Transcription(Partial, frozen=True):
    """How the user's speech is transcribed. Only what was set is echoed."""

    model: Name | UnsetType | None = UNSET
    language: Name | UnsetType | None = UNSET
    languages: Annotated[list[Name], msgspec.Meta(max_length=100)] | UnsetType | None = UNSET
    prompt: Note | UnsetType | None = UNSET
    keywords: Annotated[list[Name], msgspec.Meta(max_length=500)] | UnsetType | None = UNSET
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | UnsetType | None = UNSET


class ServerVad(Partial, frozen=True, tag_field="type", tag="server_vad"):
    """The turn ends after a silence."""

    threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] | UnsetType | None = UNSET
    prefix_padding_ms: Milliseconds | UnsetType | None = UNSET
    silence_duration_ms: Milliseconds | UnsetType | None = UNSET
    create_response: bool | UnsetType | None = UNSET
    interrupt_response: bool | UnsetType | None = UNSET
    idle_timeout_ms: Annotated[int, msgspec.Meta(ge=1, le=600000)] | UnsetType | None = UNSET


class SemanticVad(Partial, frozen=True, tag_field="type", tag="semantic_vad"):
    """The turn ends when the speech sounds finished, at the latest after a timeout."""

    eagerness: Literal["low", "medium", "high", "auto"] | UnsetType | None = UNSET
    create_response: bool | UnsetType | None = UNSET
    interrupt_response: bool | UnsetType | None = UNSET


TurnDetection = ServerVad | SemanticVad


class VoiceId(Partial, frozen=True):
    """A custom voice."""

    id: Name


class AudioInputUpdate(Partial, frozen=True):
    """Configuration of the input audio."""

    format: AudioFormat | UnsetType | None = UNSET
    noise_reduction: NoiseReduction | UnsetType | None = UNSET
    transcription: Transcription | UnsetType | None = UNSET
    turn_detection: TurnDetection | UnsetType | None = UNSET


class AudioOutputUpdate(Partial, frozen=True):
    """Configuration of the output audio."""

    format: AudioFormat | UnsetType | None = UNSET
    voice: Name | VoiceId | UnsetType | None = UNSET
    speed: Annotated[float, msgspec.Meta(ge=0.25, le=1.5)] | UnsetType | None = UNSET


class AudioUpdate(Partial, frozen=True):
    """Both directions."""

    input: AudioInputUpdate | UnsetType | None = UNSET
    output: AudioOutputUpdate | UnsetType | None = UNSET


class TranscriptionAudioUpdate(Partial, frozen=True):
    """A transcription session only listens."""

    input: AudioInputUpdate | UnsetType | None = UNSET


# -- tools and the rest --------------------------------------------------------------------------------------------
class FunctionTool(Partial, frozen=True, tag_field="type", tag="function"):
    """A function of the application. ``parameters`` is a JSON schema, no larger than `antiphon.text.json_size` says."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    description: Note | UnsetType | None = UNSET
    parameters: dict[str, Any] | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        """Refuse a schema that is too large."""
        _bounded("parameters", self.parameters)


class McpTool(msgspec.Struct, frozen=True, tag_field="type", tag="mcp"):
    """Tools of an MCP server; refused for now with an error that names the field."""

    server_label: Name


AnyTool = FunctionTool | McpTool
Tools = Annotated[list[AnyTool], msgspec.Meta(max_length=128)]


class ToolChoiceFunction(Partial, frozen=True, tag_field="type", tag="function"):
    """Force one function."""

    name: Name


class ToolChoiceMcp(Partial, frozen=True, tag_field="type", tag="mcp"):
    """Force a tool of an MCP server."""

    server_label: Name
    name: Name | UnsetType | None = UNSET


ToolChoice = Literal["auto", "none", "required"] | ToolChoiceFunction | ToolChoiceMcp


class Reasoning(Partial, frozen=True):
    """Effort of a reasoning model."""

    effort: Literal["minimal", "low", "medium", "high", "xhigh"] | UnsetType | None = UNSET


class Tracing(Partial, frozen=True):
    """Accepted and echoed."""

    workflow_name: Name | UnsetType | None = UNSET
    group_id: Name | UnsetType | None = UNSET
    metadata: Any = UNSET

    def __post_init__(self) -> None:
        """Refuse metadata that are too large."""
        _bounded("metadata", self.metadata)


class Prompt(Partial, frozen=True):
    """A stored prompt of OpenAI's; accepted and echoed."""

    id: Name
    version: Name | UnsetType | None = UNSET
    variables: dict[str, Any] | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        """Refuse variables that are too large."""
        _bounded("variables", self.variables)


class TokenLimits(Partial, frozen=True):
    """Bounds of a truncated conversation."""

    post_instructions: Annotated[int, msgspec.Meta(ge=0, le=2**31)] | UnsetType | None = UNSET


class RetentionRatio(Partial, frozen=True, tag_field="type", tag="retention_ratio"):
    """Cut the conversation further than needed, so that a prompt cache stays warm."""

    retention_ratio: Annotated[float, msgspec.Meta(ge=0, le=1)]
    token_limits: TokenLimits | UnsetType | None = UNSET


Truncation = Literal["auto", "disabled"] | RetentionRatio
Include = Annotated[
    list[Literal["item.input_audio_transcription.logprobs", "antiphon.degraded"]], msgspec.Meta(max_length=16)
]
"""Additional events that a client requests; ``antiphon.degraded`` stands for that event and ``antiphon.recovered``."""


class MemoryOptions(Partial, frozen=True):
    """What is said is remembered for a user, and what was remembered is recalled for the answers."""

    user_id: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    """Whose memory; the client's own name for the user."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=20)] = 5
    """Most memories for one answer."""
    threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.4
    """Least similarity of a memory to the user's words."""


class Extensions(Partial, frozen=True):
    """Options of a conversation that the Realtime API does not have."""

    memory: MemoryOptions | UnsetType | None = UNSET
    """None or absent: no memory."""


class RealtimeUpdate(Partial, frozen=True, tag_field="type", tag="realtime"):
    """``session.update`` of a conversation."""

    id: Name | UnsetType | None = UNSET
    object: Name | UnsetType | None = UNSET
    expires_at: int | UnsetType | None = UNSET
    model: Name | UnsetType | None = UNSET
    output_modalities: Modalities | UnsetType | None = UNSET
    instructions: Text | UnsetType | None = UNSET
    audio: AudioUpdate | UnsetType | None = UNSET
    tools: Tools | UnsetType | None = UNSET
    tool_choice: ToolChoice | UnsetType | None = UNSET
    max_output_tokens: MaxTokens | UnsetType | None = UNSET
    parallel_tool_calls: bool | UnsetType | None = UNSET
    reasoning: Reasoning | UnsetType | None = UNSET
    truncation: Truncation | UnsetType | None = UNSET
    tracing: Literal["auto"] | Tracing | UnsetType | None = UNSET
    prompt: Prompt | UnsetType | None = UNSET
    include: Include | UnsetType | None = UNSET
    antiphon: Extensions | UnsetType | None = UNSET


class TranscriptionUpdate(Partial, frozen=True, tag_field="type", tag="transcription"):
    """``session.update`` of a session that only transcribes."""

    id: Name | UnsetType | None = UNSET
    object: Name | UnsetType | None = UNSET
    expires_at: int | UnsetType | None = UNSET
    audio: TranscriptionAudioUpdate | UnsetType | None = UNSET
    include: Include | UnsetType | None = UNSET


AnySessionUpdate = RealtimeUpdate | TranscriptionUpdate


# -- effective -----------------------------------------------------------------------------------------------------
class ServerVadConfig(msgspec.Struct, frozen=True, tag_field="type", tag="server_vad"):
    """Effective ``server_vad``."""

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    create_response: bool = True
    interrupt_response: bool = True
    idle_timeout_ms: int | None = None


class SemanticVadConfig(msgspec.Struct, frozen=True, tag_field="type", tag="semantic_vad"):
    """Effective ``semantic_vad``."""

    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    create_response: bool = True
    interrupt_response: bool = True


class AudioInput(msgspec.Struct, frozen=True):
    """Effective input."""

    format: AudioFormat = AudioPcm()
    transcription: Transcription | None = None
    noise_reduction: NoiseReduction | None = None
    turn_detection: ServerVadConfig | SemanticVadConfig | None = ServerVadConfig()


class AudioOutput(msgspec.Struct, frozen=True):
    """Effective output."""

    format: AudioFormat = AudioPcm()
    voice: str = "alloy"
    speed: float = 1.0


class Audio(msgspec.Struct, frozen=True):
    """Effective audio of a conversation."""

    input: AudioInput = AudioInput()
    output: AudioOutput = AudioOutput()


class TranscriptionAudio(msgspec.Struct, frozen=True):
    """Effective audio of a transcription session."""

    input: AudioInput = AudioInput()


class RealtimeSession(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="realtime"):
    """A conversation's whole effective configuration."""

    object: Literal["realtime.session"] = "realtime.session"
    id: str
    model: str
    output_modalities: list[Modality] = msgspec.field(default_factory=lambda: ["audio"])
    instructions: str = ""
    tools: list[FunctionTool] = msgspec.field(default_factory=list[FunctionTool])
    tool_choice: ToolChoice = "auto"
    max_output_tokens: MaxTokens = "inf"
    truncation: Truncation = "auto"
    tracing: Literal["auto"] | Tracing | None = None
    prompt: Prompt | None = None
    include: Include | None = None
    expires_at: int
    audio: Audio = Audio()
    parallel_tool_calls: bool | UnsetType = UNSET
    reasoning: Reasoning | UnsetType = UNSET
    antiphon: Extensions | UnsetType = UNSET


class TranscriptionSession(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="transcription"):
    """A transcription session's whole effective configuration."""

    object: Literal["realtime.transcription_session"] = "realtime.transcription_session"
    id: str
    include: Include | None = None
    expires_at: int
    audio: TranscriptionAudio = TranscriptionAudio()


AnySession = RealtimeSession | TranscriptionSession
