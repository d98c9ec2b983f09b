"""A conversation as a language model sees it, and what the model streams back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

VOICE_INSTRUCTIONS = "You are a helpful voice assistant. Answer in one or two short, plain sentences."
"""Instructions of a conversation for which neither the client nor the operator has any."""


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
    """Everything one answer depends on."""

    messages: tuple[ChatMessage, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    """``auto``, ``none``, ``required`` or ``function:<name>``."""
    max_tokens: int | None = None
    """Upper bound of the answer in tokens; None is the engine's own."""
    model: str = ""
    """As the client named it; an engine maps unknown names to its own."""
    parallel_tool_calls: bool = True
    reasoning_effort: str = ""
    prefix: str = ""
    """Words of the answer that were said already: only what comes behind them is wanted. Counts for ``max_tokens``."""


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
