"""What a small model is asked: a short prompt with a stable beginning, and bounds on what it may answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from antiphon.entities.chat import ChatMessage, ChatRequest, Tool
from antiphon.providers.context import estimate_tokens, fit
from antiphon.text.whole import whole

INSTRUCTIONS = "You are a helpful AI assistant. Give short, correct answers."
"""Used where the conversation brings no instructions of its own; gave the most right answers of those tried."""

_STRIDE = 4
"""Old turns go in blocks of this many messages, so that the cached beginning holds for a few turns."""

_MAX_STRING = 200
_MAX_ITEMS = 8
_MAX_SCHEMA_CHARS = 16_000
_MAX_SCHEMA_DEPTH = 24
_DROPPED = frozenset({"pattern", "format", "$schema", "$id", "default", "examples", "title", "description"})
"""Keywords that the grammar does not need, or that let a stranger's schema grow it without bound."""


def prompt(request: ChatRequest, limit: int) -> list[dict[str, str]]:
    """Return the messages for the model, at most ``limit`` tokens by estimate."""
    messages = request.messages
    if not messages or messages[0].role != "system":
        messages = (ChatMessage("system", INSTRUCTIONS), *messages)
    names = {call.call_id: call.name for message in messages for call in message.tool_calls}
    fitted = fit([_plain(message, names) for message in messages], limit, _count, stride=_STRIDE)
    turns = [message for message in fitted if message.text or message.role != "assistant"]
    if len(turns) < 2:
        turns.append(ChatMessage("user", "Hello."))
    return [{"role": message.role, "content": message.text} for message in turns]


def call_prompt(request: ChatRequest, tool: Tool, limit: int) -> list[dict[str, str]]:
    """Return the messages that ask for the arguments of a call as JSON."""
    about = f": {_harmless(tool.description)[:300]}" if tool.description else ""
    ask = f"Write the arguments of a call of {_harmless(tool.name)[:100]}{about}, as JSON."
    messages = prompt(request, max(128, limit - _count(ask)))
    return [*messages, {"role": "user", "content": ask}]


def grammar_schema(tool: Tool) -> dict[str, Any] | None:
    """Return the tool's schema, bounded for a grammar; None where there is nothing for a model to fill in."""
    schema = tool.parameters or {}
    try:
        if not schema.get("properties") or len(json.dumps(schema, default=str)) > _MAX_SCHEMA_CHARS:
            return None
        return cast("dict[str, Any]", _bounded(schema, 0))
    except (TypeError, ValueError, RecursionError):  # too deep, or a bound that is no number
        return None


def _plain(message: ChatMessage, names: Mapping[str, str]) -> ChatMessage:
    """Say in words what the model has no form for: functions, images."""
    text = _harmless(message.text)
    if message.role == "tool":
        name = _harmless(names.get(message.call_id, "the function"))
        return ChatMessage("user", f"{name} returned: {text}. Tell me about it in one sentence.")
    return ChatMessage(message.role, text)


def _harmless(text: str) -> str:
    """Take away what is not text to the model: its control tokens, half characters, zeros."""
    return whole(text.replace("<|", "< |").replace("\x00", ""))


def _count(text: str) -> int:
    return estimate_tokens(text, bytes_per_token=1.4)


def _bounded(node: Any, depth: int) -> Any:
    """Copy a schema with bounds on texts and lists."""
    if depth > _MAX_SCHEMA_DEPTH:
        raise ValueError("the schema is too deep")
    if isinstance(node, list):
        return [_bounded(part, depth + 1) for part in cast("list[Any]", node)]
    if not isinstance(node, Mapping):
        return node
    schema: dict[str, Any] = {
        key: part if key in ("enum", "const", "required") else _bounded(part, depth + 1)
        for key, part in cast("Mapping[str, Any]", node).items()
        if not (key in _DROPPED and not isinstance(part, Mapping))
    }
    kind = schema.get("type")
    if kind == "string" and "enum" not in schema and "const" not in schema:
        most = int(schema.get("maxLength", _MAX_STRING))
        schema["maxLength"] = max(min(most, _MAX_STRING), int(schema.get("minLength", 0)))
    if kind == "array":
        most = int(schema.get("maxItems", _MAX_ITEMS))
        schema["maxItems"] = max(min(most, _MAX_ITEMS), int(schema.get("minItems", 0)))
    return schema
