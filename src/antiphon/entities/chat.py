"""Requests to an LLM, and the events that it streams back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

VOICE_INSTRUCTIONS = "You are a helpful voice assistant. Answer in one or two short, plain sentences."
"""Default instructions of a conversation."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A finished function call of the assistant."""

    call_id: str
    name: str
    arguments: str
    """JSON text."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message; ``role`` "tool" answers the call ``call_id``."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str = ""
    images: tuple[str, ...] = ()
    """Image URLs, ``data:`` URLs included."""
    tool_calls: tuple[ToolCall, ...] = ()
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may call; ``parameters`` is a JSON schema."""

    name: str
    description: str = ""
    parameters: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """The complete input of one answer."""

    messages: tuple[ChatMessage, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    """``auto``, ``none``, ``required`` or ``function:<name>``."""
    max_tokens: int | None = None
    """Maximum answer length in tokens; None is the engine's default."""
    model: str = ""
    """As the client named it; an engine maps unknown names to its own."""
    parallel_tool_calls: bool = True
    reasoning_effort: str = ""
    prefix: str = ""
    """Text of the answer that exists already; only its continuation is wanted. Counts towards ``max_tokens``."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """More of a function call. ``call_id`` and ``name`` are complete in the first delta of an ``index``."""

    index: int
    call_id: str
    name: str
    arguments: str
    """The next piece of the JSON text; pieces join to the whole."""


@dataclass(frozen=True, slots=True)
class ChatDone:
    """The last result of every answer, exactly once."""

    finish_reason: Literal["stop", "length", "tool_calls", "content_filter"]
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0


ChatEvent = TextDelta | ToolCallDelta | ChatDone
