"""A conversation in the form of OpenAI's chat completions, which is stricter than ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from antiphon.entities.chat import ChatMessage, ChatRequest, Tool
from antiphon.text.whole import whole

Json = dict[str, Any]

NO_OUTPUT = "(no output yet)"
"""Stands for the output of a call that the conversation does not have."""


def messages_of(messages: Sequence[ChatMessage]) -> list[Json]:
    """Return the messages in the service's form.

    The service wants the outputs of a call right behind it, one for each: outputs are moved there, missing ones
    are replaced, and an output without its call becomes a user's message.
    """
    outputs = {message.call_id: message.text for message in messages if message.role == "tool"}
    called = {call.call_id for message in messages for call in message.tool_calls}
    made: list[Json] = []
    for message in messages:
        match message.role:
            case "tool":
                if message.call_id not in called:
                    made.append({"role": "user", "content": f"A function returned: {whole(message.text)}"})
            case "assistant":
                made += _assistant(message, outputs)
            case "user" if message.images:
                made.append({"role": "user", "content": _parts(message)})
            case _:
                made.append({"role": message.role, "content": whole(message.text)})
    return made or [{"role": "system", "content": "Greet the user."}]


def tools_of(request: ChatRequest) -> Json:
    """Return ``tools``, ``tool_choice`` and ``parallel_tool_calls``, as far as the request has them."""
    if not request.tools:
        return {}
    asked: Json = {"tools": [_tool(tool) for tool in request.tools], "tool_choice": _choice(request.tool_choice)}
    if not request.parallel_tool_calls:
        asked["parallel_tool_calls"] = False  # True is the default, and not every service knows the field
    return asked


def _assistant(message: ChatMessage, outputs: dict[str, str]) -> list[Json]:
    if not message.tool_calls:
        return [{"role": "assistant", "content": whole(message.text)}]
    calls = [
        {
            "id": call.call_id,
            "type": "function",
            "function": {"name": call.name, "arguments": whole(call.arguments) or "{}"},
        }
        for call in message.tool_calls
    ]
    said: Json = {"role": "assistant", "content": whole(message.text) or None, "tool_calls": calls}
    answers = [
        {
            "role": "tool",
            "tool_call_id": call.call_id,
            "content": whole(outputs.get(call.call_id, NO_OUTPUT)),
        }
        for call in message.tool_calls
    ]
    return [said, *answers]


def _parts(message: ChatMessage) -> list[Json]:
    text: list[Json] = [{"type": "text", "text": whole(message.text)}] if message.text else []
    return text + [{"type": "image_url", "image_url": {"url": url}} for url in message.images]


def _tool(tool: Tool) -> Json:
    function: Json = {"name": tool.name, "parameters": tool.parameters or {"type": "object", "properties": {}}}
    if tool.description:
        function["description"] = tool.description
    return {"type": "function", "function": function}


def _choice(choice: str) -> str | Json:
    kind, _, name = choice.partition(":")
    return {"type": "function", "function": {"name": name}} if kind == "function" else choice
