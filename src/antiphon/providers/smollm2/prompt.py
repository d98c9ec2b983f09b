"""Prompts for a small model: short, with a stable beginning, and with bounds on the answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from antiphon.entities.chat import VOICE_INSTRUCTIONS, ChatMessage, ChatRequest, Tool
from antiphon.providers.prompting.context_window import fit
from antiphon.text.asking import is_question, is_statement, wants_own_words
from antiphon.text.schema_numbers import count
from antiphon.text.surrogates import replace_surrogates
from antiphon.text.tokens import estimate_tokens

EXAMPLES = (
    ChatMessage("user", "I missed my bus."),
    ChatMessage("assistant", "Oh no! I hope the next one comes soon."),
    ChatMessage("user", "What is the tallest animal?"),
    ChatMessage("assistant", "The giraffe."),
    ChatMessage("user", "My bike has a new bell."),
    ChatMessage("assistant", "Nice! A loud bell keeps you safe on the road."),
)
"""Shown before a conversation that has no instructions of its own (they might contradict): without examples the model
repeats statements. About 80 tokens; each costs every slot 10 ms at the start."""

_ON_STATEMENTS = ("That sounds", "Oh, that")
TELL_MORE = "I am not sure what to say to that. Can you tell me more?"
"""The answer if the model only repeats the user's words."""

_NO_USER_TEXT = "Hello."
_USER_IS_SILENT = "What else can you tell me?"
"""Sent after an assistant message, which the model would otherwise take for the beginning of its answer."""

_MOST_PREFIX = 600
"""Characters shown of an interrupted answer, from its end: the longest answers of this model have as many."""

_STRIDE = 4
"""Old turns are dropped in blocks of this many messages, so that the cached prefix stays valid for a few turns."""

_MOST_TEXT = 100_000
"""Characters of a message that are read; a few hundred tokens of them are kept."""
_MAX_STRING = 200
_MAX_ITEMS = 8
_MAX_SCHEMA_CHARS = 16_000
_MAX_SCHEMA_DEPTH = 24
_DROPPED = frozenset({"pattern", "format", "$schema", "$id", "default", "examples", "title", "description"})
"""Keywords that the grammar does not need, or with which a client's schema could make it arbitrarily large."""


def prompt(request: ChatRequest, limit: int, examples: Sequence[ChatMessage] = EXAMPLES) -> list[dict[str, str]]:
    """Return the messages for the model, at most ``limit`` tokens by estimate, and the prefix as its last message.

    The ``examples`` are added if neither client nor operator gave instructions.
    """
    names = {call.call_id: call.name for message in request.messages for call in message.tool_calls}
    messages = _spoken(_plain(message, names) for message in request.messages)
    if not messages or messages[0].role != "system":
        messages.insert(0, ChatMessage("system", VOICE_INSTRUCTIONS))
    shown = examples if _is_untold(messages) else ()
    turns = _spoken(fit(messages, limit, estimate, stride=_STRIDE))
    if all(message.role == "system" for message in turns):
        turns.append(ChatMessage("user", _NO_USER_TEXT))
    elif turns[-1].role == "assistant":
        turns.append(ChatMessage("user", _USER_IS_SILENT))
    messages = [
        turns[0],
        *shown,
        *turns[1:],
        ChatMessage("assistant", _harmless(request.prefix[-_MOST_PREFIX:]).rstrip()),
    ]
    return [{"role": message.role, "content": message.text} for message in _spoken(messages)]


def call_prompt(request: ChatRequest, tool: Tool, limit: int) -> list[dict[str, str]]:
    """Return the messages that ask for the arguments of a call as JSON."""
    about = f": {_harmless(tool.description)[:300]}" if tool.description else ""
    ask = f"Write the arguments of a call of {_harmless(tool.name)[:100]}{about}, as JSON."
    messages = prompt(request, max(128, limit - estimate(ask)), examples=())
    return [*messages, {"role": "user", "content": ask}]


def text_not_to_repeat(request: ChatRequest) -> str:
    """Return the last user text, which an answer must not repeat; empty if the user asks for a repetition."""
    first, last = request.messages[:1], request.messages[-1:]
    said = last[0].text if last and last[0].role == "user" else ""
    instructions = first[0].text if first and first[0].role == "system" else ""
    return "" if wants_own_words(said, instructions) else said


def openings(request: ChatRequest) -> tuple[str, str]:
    """Return the first words of the answer, and those of a second attempt if the first repeats the user's words.

    Without instructions, answers to a statement begin with words of ours, in turns: on its own the model treats half
    of them as something to define or to mourn.
    """
    said = request.messages[-1].text if request.messages else ""
    if not is_statement(said):
        return "", "I think" if is_question(said) else _ON_STATEMENTS[0]
    if not _is_untold(request.messages):
        return "", _ON_STATEMENTS[0]
    turn = sum(message.role == "user" for message in request.messages) - 1
    return _ON_STATEMENTS[turn % 2], _ON_STATEMENTS[(turn + 1) % 2]


def _is_untold(messages: Sequence[ChatMessage]) -> bool:
    """Return whether neither the client nor the operator gave instructions."""
    return not messages or messages[0].role != "system" or messages[0].text == VOICE_INSTRUCTIONS


def estimate(text: str) -> int:
    """Estimate the model's tokens of a text, on the high side."""
    return estimate_tokens(text, bytes_per_token=1.4)


def grammar_schema(tool: Tool) -> dict[str, Any] | None:
    """Return the tool's schema, bounded for a grammar; None if it exceeds the bounds or has no properties.

    A grammar spells out repetitions: it would be as long as the longest text that the schema requires.
    """
    schema = tool.parameters or {}
    try:
        if not schema.get("properties") or len(json.dumps(schema, default=str)) > _MAX_SCHEMA_CHARS:
            return None
        return cast("dict[str, Any]", _bounded(schema, 0))
    except (TypeError, ValueError, RecursionError):  # too deep, or a bound is not a number
        return None


def _spoken(messages: Iterable[ChatMessage]) -> list[ChatMessage]:
    return [message for message in messages if message.text.strip()]


def _plain(message: ChatMessage, names: Mapping[str, str]) -> ChatMessage:
    """Return the message in plain text: the model has no format for tool calls."""
    text = _harmless(message.text[:_MOST_TEXT])
    if message.role == "tool":
        name = _harmless(names.get(message.call_id, "the function")[:100])
        return ChatMessage("user", f"{name} returned: {text}. Tell me about it in one sentence.")
    return ChatMessage(message.role, text)


def _harmless(text: str) -> str:
    """Remove what the model does not read as text: control tokens, surrogates, null characters."""
    return replace_surrogates(text.replace("<|", "< |").replace("\x00", ""))


def _bounded(node: Any, depth: int) -> Any:
    """Copy a schema with bounds on strings and arrays."""
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
        schema["maxLength"] = _most(schema, "minLength", "maxLength", _MAX_STRING)
    if kind == "array":
        schema["maxItems"] = _most(schema, "minItems", "maxItems", _MAX_ITEMS)
    return schema


def _most(schema: Mapping[str, Any], least: str, most: str, limit: int) -> int:
    """Return the upper bound for the grammar. Raises `ValueError` when the lower bound exceeds the limit."""
    if count(schema, least, 0) > limit:
        raise ValueError(f"{least} is more than {limit}")
    return min(count(schema, most, limit), limit)
