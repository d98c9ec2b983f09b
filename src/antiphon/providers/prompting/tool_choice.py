"""Which function an engine without judgement of its own has to call, and the call as a stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

from antiphon import ids
from antiphon.entities.chat import ChatRequest, Tool, ToolCallDelta
from antiphon.errors import InvalidRequest
from antiphon.text.schema_example import example
from antiphon.text.surrogates import replace_surrogates

_LEAST_PIECE = 16
"""Characters of one delta, so that a reader has to join them as with a real model."""
_MOST_PIECES = 64
"""Deltas of one call: those of a long one are longer, as each of them costs every listener an event."""
_MOST_HEARD = 16 * 2**10
"""Characters of a message that are looked at, and of a conversation whose words are counted one by one."""
_WORD = 6
"""Characters of a word, where they are not counted."""


def forced_tool(request: ChatRequest) -> Tool | None:
    """Return the tool that ``tool_choice`` demands, or None where the model is free.

    Raises `InvalidRequest` when it names a tool that the request does not have.
    """
    if request.tool_choice == "required":
        if not request.tools:
            raise InvalidRequest("tool_choice is required, but there are no tools", param="tool_choice")
        return named_tool(request) or request.tools[0]
    kind, _, name = request.tool_choice.partition(":")
    if kind != "function":
        return None
    for tool in request.tools:
        if tool.name == name:
            return tool
    raise InvalidRequest(f"tool_choice names {name!r}, which is not among the tools", param="tool_choice")


def named_tool(request: ChatRequest) -> Tool | None:
    """Return the tool whose name stands in the user's text, if the user spoke last.

    An underscore in a name may be a space in the text, as in speech.
    """
    if not request.messages or request.messages[-1].role != "user":
        return None
    heard = _plain(request.messages[-1].text[:_MOST_HEARD])
    return next((tool for tool in request.tools if _plain(tool.name) and _plain(tool.name) in heard), None)


def last_user_text(request: ChatRequest) -> str:
    """Return what the user said last, the first 16 Ki characters of it, or an empty text."""
    said = next((message.text for message in reversed(request.messages) if message.role == "user"), "")
    return replace_surrogates(said[:_MOST_HEARD])


def heard_words(request: ChatRequest) -> int:
    """Return how many words the conversation has; those behind the first 16 Ki characters by their length."""
    words, left = 0, _MOST_HEARD
    for message in request.messages:
        heard = message.text[:left]
        words += len(heard.split()) + (len(message.text) - len(heard)) // _WORD
        left -= len(heard)
    return words


async def example_call(tool: Tool, text: str = "") -> Iterator[ToolCallDelta]:
    """Return a call of ``tool``, in deltas, whose arguments satisfy its schema, filled from ``text`` where it fits.

    Made in a thread: a schema may take some 0.1 s. Raises `InvalidRequest` when the tool's parameters are no JSON
    schema, or ask for too much.
    """
    arguments = await asyncio.to_thread(_example_arguments, tool, text)
    return call_deltas(tool.name, arguments)


def _example_arguments(tool: Tool, text: str) -> str:
    try:
        value: Any = example(tool.parameters, text)
    except (TypeError, ValueError, AttributeError) as exc:
        raise InvalidRequest(f"the parameters of {tool.name!r} cannot be filled in: {exc}", param="tools") from exc
    return json.dumps(value, ensure_ascii=False)


def call_deltas(name: str, arguments: str) -> Iterator[ToolCallDelta]:
    """Cut a finished call into deltas."""
    call_id = ids.new_id("call")
    size = max(_LEAST_PIECE, -(-len(arguments) // _MOST_PIECES))
    for start in range(0, len(arguments), size):
        yield ToolCallDelta(index=0, call_id=call_id, name=name, arguments=arguments[start : start + size])


def _plain(text: str) -> str:
    return text.lower().replace("_", " ").replace("-", " ")
