"""A conversation in the form of OpenAI's chat completions, which is stricter than ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from antiphon.entities.chat import ChatMessage, ChatRequest, Tool
from antiphon.providers.prompting.instructions import NO_OUTPUT, SILENCE, instructions_of
from antiphon.text.surrogates import replace_surrogates

Json = dict[str, Any]


def messages_of(messages: Sequence[ChatMessage]) -> list[Json]:
    """Return the messages in the service's form.

    Compatible services put the messages into a model's template, and many templates refuse other orders: so all
    instructions come first, as one message, then alternating turns of user and assistant, the user first and last.
    Turns of one role are joined, blanks are dropped, and `SILENCE` replaces a missing user turn. Each call is
    followed by one output: outputs are moved there, missing ones are replaced, and an output without its call
    becomes a user's message.
    """
    outputs = {message.call_id: message.text for message in messages if message.role == "tool"}
    called = {call.call_id for message in messages for call in message.tool_calls}
    turns: list[Json] = []
    for message in messages:
        match message.role:
            case "tool" if message.call_id not in called:
                _add(turns, "user", f"A function returned: {replace_surrogates(message.text)}")
            case "user":
                _add(turns, "user", _parts(message) if message.images else replace_surrogates(message.text))
            case "assistant":
                _add(turns, "assistant", replace_surrogates(message.text))
                _add_calls(turns, message, outputs)
            case _:
                pass  # instructions, and outputs that were added with their calls
    if not turns or turns[0]["role"] != "user":
        turns.insert(0, {"role": "user", "content": SILENCE})
    if turns[-1]["role"] == "assistant":
        _add(turns, "user", SILENCE)
    instructions = instructions_of(messages)
    return [{"role": "system", "content": instructions}, *turns] if instructions else turns


def tools_of(request: ChatRequest) -> Json:
    """Return ``tools``, ``tool_choice`` and ``parallel_tool_calls``, as far as the request has them."""
    if not request.tools:
        return {}
    asked: Json = {"tools": [_tool(tool) for tool in request.tools], "tool_choice": _choice(request.tool_choice)}
    if not request.parallel_tool_calls:
        asked["parallel_tool_calls"] = False  # omitted for True, the default: not every service knows the field
    return asked


def _add(turns: list[Json], role: str, content: str | list[Json]) -> None:
    """Append ``content``, to the last turn if it has the same role; blanks are left out."""
    if isinstance(content, str) and not content.strip():
        return
    if not turns or turns[-1]["role"] != role:
        turns.append({"role": role, "content": content})
    elif isinstance(content, str) and isinstance(turns[-1]["content"], str):
        turns[-1]["content"] += f"\n{content}"
    else:
        turns[-1]["content"] = [*_as_parts(turns[-1]["content"]), *_as_parts(content)]


def _add_calls(turns: list[Json], message: ChatMessage, outputs: dict[str, str]) -> None:
    """Add the calls of a message to the assistant's turn, and their outputs after it."""
    if not message.tool_calls:
        return
    if not turns or turns[-1]["role"] != "assistant":
        turns.append({"role": "assistant", "content": None})
    turns[-1]["tool_calls"] = [
        {
            "id": call.call_id,
            "type": "function",
            "function": {"name": call.name, "arguments": replace_surrogates(call.arguments) or "{}"},
        }
        for call in message.tool_calls
    ]
    turns += [
        {
            "role": "tool",
            "tool_call_id": call.call_id,
            "content": replace_surrogates(outputs.get(call.call_id, NO_OUTPUT)),
        }
        for call in message.tool_calls
    ]


def _as_parts(content: str | list[Json]) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _parts(message: ChatMessage) -> list[Json]:
    text = _as_parts(replace_surrogates(message.text)) if message.text.strip() else []
    return text + [{"type": "image_url", "image_url": {"url": url}} for url in message.images]


def _tool(tool: Tool) -> Json:
    function: Json = {"name": tool.name, "parameters": tool.parameters or {"type": "object", "properties": {}}}
    if tool.description:
        function["description"] = tool.description
    return {"type": "function", "function": function}


def _choice(choice: str) -> str | Json:
    kind, _, name = choice.partition(":")
    return {"type": "function", "function": {"name": name}} if kind == "function" else choice
