"""The session's configuration: its defaults, and how ``session.update`` changes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from antiphon import ids
from antiphon.conversation import locks
from antiphon.conversation.step import EventRefused, Step
from antiphon.errors import InvalidRequest
from antiphon.wire.realtime_server import SessionUpdated
from antiphon.wire.realtime_session import (
    AnySession,
    AnySessionUpdate,
    AnyTool,
    Audio,
    AudioInput,
    AudioInputUpdate,
    AudioOutput,
    AudioOutputUpdate,
    AudioPcm,
    FunctionTool,
    McpTool,
    Modality,
    Partial,
    RealtimeSession,
    RealtimeUpdate,
    SemanticVad,
    SemanticVadConfig,
    ServerVad,
    ServerVadConfig,
    ToolChoice,
    ToolChoiceMcp,
    Transcription,
    TranscriptionAudio,
    TranscriptionSession,
    TranscriptionUpdate,
    TurnDetection,
    VoiceId,
)

T = TypeVar("T")
MOST_TOOLS_BYTES = 512 * 2**10
"""Maximum size of all tools of a session or response, as JSON: a session is saved at every change."""
SUPPORTED_MODALITIES: tuple[list[Modality], ...] = (["text"], ["audio"])


@dataclass(frozen=True, slots=True)
class Defaults:
    """Values of a new session for fields that its client leaves out."""

    model: str = "gpt-realtime"
    voice: str = "alloy"
    speed: float = 1.0
    instructions: str = ""
    lasts_s: float = 3600.0


def describe(
    wish: AnySessionUpdate | None, defaults: Defaults, *, now: float, model: str = "", transcribes: bool = False
) -> AnySession:
    """Return a new session's whole configuration; ``now`` is the wall clock. Raises `InvalidRequest`.

    ``model`` is the one in the URL, in a transcription session the transcription model; the model of a client secret
    takes precedence.
    """
    kind = "transcription" if transcribes else "realtime"
    wished_model = None
    if wish is not None:
        kind = str(wish.__struct_config__.tag)
        wished_model = wish.model if isinstance(wish, RealtimeUpdate) else None
    session = _default_session(kind, str(wished_model or model), defaults, now)
    if wish is None:
        return session
    try:
        return merge(session, wish)
    except EventRefused as refusal:
        raise InvalidRequest(refusal.message, code=refusal.code, param=refusal.param) from refusal


def _default_session(kind: str, model: str, defaults: Defaults, now: float) -> AnySession:
    session_id, expires_at = ids.new_id("sess"), int(now + defaults.lasts_s)
    if kind == "transcription":
        listening = AudioInput(transcription=Transcription(model=model or "whisper-1"))
        return TranscriptionSession(id=session_id, expires_at=expires_at, audio=TranscriptionAudio(input=listening))
    return RealtimeSession(
        id=session_id,
        model=model or defaults.model,
        expires_at=expires_at,
        instructions=defaults.instructions,
        audio=Audio(output=AudioOutput(voice=defaults.voice, speed=defaults.speed)),
    )


def update(step: Step, wish: AnySessionUpdate) -> None:
    """Handle ``session.update``."""
    state = step.state
    locks.check(state.locked, wish, "session")
    before = state.session
    after = merge(before, wish, voice_locked=state.voice_locked)
    state.session = after
    step.send(SessionUpdated, session=after)


def merge(session: AnySession, wish: AnySessionUpdate, *, voice_locked: bool = False) -> AnySession:
    """Return the session with a client's update applied. Raises `EventRefused`, which names the field."""
    match session, wish:
        case RealtimeSession(), RealtimeUpdate():
            return _merge_realtime(session, wish, voice_locked)
        case TranscriptionSession(), TranscriptionUpdate():
            return _merge_transcription(session, wish)
        case _:
            kind = "realtime" if isinstance(session, RealtimeSession) else "transcription"
            raise EventRefused(
                f"Invalid value for 'session.type': this is a {kind} session.",
                code="invalid_value",
                param="session.type",
            )


def _merge_realtime(session: RealtimeSession, wish: RealtimeUpdate, voice_locked: bool) -> RealtimeSession:
    changes: dict[str, Any] = {}
    if wish.output_modalities is not UNSET:
        changes["output_modalities"] = modalities(wish.output_modalities, "session.output_modalities")
    if wish.tools is not UNSET:
        changes["tools"] = function_tools(wish.tools, "session.tools")
    if wish.tool_choice is not UNSET:
        changes["tool_choice"] = tool_choice(wish.tool_choice, "session.tool_choice")
    if wish.audio is not UNSET and wish.audio is not None:
        changes["audio"] = Audio(
            input=_input(session.audio.input, wish.audio.input),
            output=_output(session.audio.output, wish.audio.output, voice_locked),
        )
    changes |= _cleared(wish, instructions="", max_output_tokens="inf", truncation="auto")
    changes |= _cleared(wish, tracing=None, prompt=None, include=None)
    changes |= _cleared(wish, parallel_tool_calls=UNSET, reasoning=UNSET, antiphon=UNSET)
    return replace(session, **changes)


def _merge_transcription(session: TranscriptionSession, wish: TranscriptionUpdate) -> TranscriptionSession:
    changes: dict[str, Any] = _cleared(wish, include=None)
    if wish.audio is not UNSET and wish.audio is not None:
        changes["audio"] = TranscriptionAudio(input=_input(session.audio.input, wish.audio.input))
    return replace(session, **changes)


def _cleared(wish: object, **empty: object) -> dict[str, Any]:
    """Return the fields that were sent; a null becomes the field's empty value."""
    sent = {name: getattr(wish, name) for name in empty}
    sent = {name: value.over() if isinstance(value, Partial) else value for name, value in sent.items()}
    return {name: empty[name] if value is None else value for name, value in sent.items() if value is not UNSET}


def _given(value: Any, present: T, empty: T, convert: Callable[[Any], T] | None = None) -> T:
    """Return what a field becomes: absent keeps ``present``, null gives ``empty``."""
    if value is UNSET:
        return present
    if value is None:
        return empty
    return convert(value) if convert else cast("T", value)


def _input(present: AudioInput, wish: Any) -> AudioInput:
    if not isinstance(wish, AudioInputUpdate):
        return present
    return AudioInput(
        format=_given(wish.format, present.format, AudioPcm()),
        transcription=_given(
            wish.transcription, present.transcription, None, lambda value: value.over(present.transcription)
        ),
        noise_reduction=_given(
            wish.noise_reduction, present.noise_reduction, None, lambda value: value.over(present.noise_reduction)
        ),
        turn_detection=_given(
            wish.turn_detection,
            present.turn_detection,
            None,
            lambda value: _turn_detection(present.turn_detection, value),
        ),
    )


def _turn_detection(present: object, wish: TurnDetection) -> ServerVadConfig | SemanticVadConfig:
    """Fill what the client left out: from the present configuration of the same type, else from the defaults."""
    match wish:
        case ServerVad():
            base: Any = present if isinstance(present, ServerVadConfig) else ServerVadConfig()
        case SemanticVad():
            base = present if isinstance(present, SemanticVadConfig) else SemanticVadConfig()
    fields = {field: getattr(wish, field) for field in base.__struct_fields__}
    defaults = type(base)()
    changes = {
        field: getattr(defaults, field) if value is None else value
        for field, value in fields.items()
        if value is not UNSET
    }
    return replace(base, **changes)


def _output(present: AudioOutput, wish: Any, voice_locked: bool) -> AudioOutput:
    if not isinstance(wish, AudioOutputUpdate):
        return present
    voice = _given(wish.voice, present.voice, present.voice, voice_name)
    if voice_locked and voice != present.voice:
        raise EventRefused(
            "Cannot update a conversation's voice if assistant audio is present.",
            code="cannot_update_voice",
            param="session.audio.output.voice",
        )
    return AudioOutput(
        format=_given(wish.format, present.format, AudioPcm()),
        voice=voice,
        speed=_given(wish.speed, present.speed, 1.0),
    )


# -- fields that a session and a response share --------------------------------------------------------------------
def voice_name(voice: str | VoiceId) -> str:
    """Return a voice's name, also of one given as ``{"id": …}``."""
    return voice.id if isinstance(voice, VoiceId) else voice


def modalities(wish: list[Modality] | None, param: str) -> list[Modality]:
    """Check output modalities: text or audio, never both."""
    if wish is None:
        return ["audio"]
    if wish not in SUPPORTED_MODALITIES:
        raise EventRefused(
            f"Invalid modalities: {msgspec.json.encode(wish).decode()}. "
            "Supported combinations are: ['text'] and ['audio'].",
            code="invalid_value",
            param=param,
        )
    return wish


def function_tools(wish: list[AnyTool] | None, param: str) -> list[FunctionTool]:
    """Check tools: MCP is refused, and the size of all tools together is bounded."""
    tools: list[FunctionTool] = []
    for index, tool in enumerate(wish or ()):
        if isinstance(tool, McpTool):
            raise EventRefused(
                "MCP tools are not supported by this server yet; use tools of type 'function'.",
                code="invalid_value",
                param=f"{param}[{index}].type",
            )
        tools.append(tool.over())
    size_bytes = len(msgspec.json.encode(tools))
    if size_bytes > MOST_TOOLS_BYTES:
        raise EventRefused(
            f"Invalid '{param}': the tools have {size_bytes} bytes together; the maximum is {MOST_TOOLS_BYTES}.",
            code="invalid_value",
            param=param,
        )
    return tools


def tool_choice(wish: ToolChoice | None, param: str) -> ToolChoice:
    """Check the tool choice; MCP is refused."""
    if isinstance(wish, ToolChoiceMcp):
        raise EventRefused(
            "MCP tools are not supported by this server yet; choose a function.",
            code="invalid_value",
            param=f"{param}.type",
        )
    return "auto" if wish is None else wish
