"""Tool calls of engines that do not choose tools themselves: which tool to call, and the call as a stream."""

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
"""Characters of one delta, so that clients have to join deltas as with a real model."""
_MOST_PIECES = 64
"""Deltas of one call: long calls have longer deltas, as each one costs every client an event."""
_MOST_CHARS = 16 * 2**10
"""Characters of a message that are read, and of a conversation whose words are counted exactly."""
_WORD_CHARS = 6
"""Average length of a word, for the estimate beyond that."""


def forced_tool(request: ChatRequest) -> Tool | None:
    """Return the tool that ``tool_choice`` demands; None if the model may choose.

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
    """Return the tool whose name occurs in the last message, if it is the user's.

    Underscores of a name match spaces in the text, as in speech.
    """
    if not request.messages or request.messages[-1].role != "user":
        return None
    said = _plain(request.messages[-1].text[:_MOST_CHARS])
    return next((tool for tool in request.tools if _plain(tool.name) and _plain(tool.name) in said), None)


def last_user_text(request: ChatRequest) -> str:
    """Return the first 16 Ki characters of the last user message; empty if there is none."""
    said = next((message.text for message in reversed(request.messages) if message.role == "user"), "")
    return replace_surrogates(said[:_MOST_CHARS])


def count_words(request: ChatRequest) -> int:
    """Return how many words the conversation has; beyond the first 16 Ki characters an estimate by length."""
    words, left = 0, _MOST_CHARS
    for message in request.messages:
        counted = message.text[:left]
        words += len(counted.split()) + (len(message.text) - len(counted)) // _WORD_CHARS
        left -= len(counted)
    return words


async def example_call(tool: Tool, text: str = "") -> Iterator[ToolCallDelta]:
    """Return a call of ``tool``, in deltas, whose arguments satisfy its schema, filled from ``text`` where it fits.

    Runs in a thread: a schema may take some 0.1 s. Raises `InvalidRequest` when the tool's parameters are not a valid
    JSON schema or need too large a value.
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
    """Split a finished call into deltas."""
    call_id = ids.new_id("call")
    size = max(_LEAST_PIECE, -(-len(arguments) // _MOST_PIECES))
    for start in range(0, len(arguments), size):
        yield ToolCallDelta(index=0, call_id=call_id, name=name, arguments=arguments[start : start + size])


def _plain(text: str) -> str:
    return text.lower().replace("_", " ").replace("-", " ")
