"""A conversation in the form of Anthropic's Messages API, which is stricter than ours."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import msgspec

from antiphon.entities.chat import ChatMessage, ChatRequest, Tool, ToolCall
from antiphon.providers.prompting.instructions import NO_OUTPUT, SILENCE
from antiphon.text.surrogates import replace_surrogates

Json = dict[str, Any]


def messages_of(messages: Sequence[ChatMessage]) -> list[Json]:
    """Return the messages in the service's form, without the instructions.

    The service requires alternating user and assistant turns, the user first and last, and no blank text: turns of
    one role are joined, blanks are dropped, and `SILENCE` replaces a missing user turn. Outputs must follow their
    calls: they are moved there, missing ones are replaced, and an output without its call becomes a user's text.
    Calls are numbered, because the service accepts an id only once and not every character.
    """
    outputs = {message.call_id: message.text for message in messages if message.role == "tool"}
    called = {call.call_id for message in messages for call in message.tool_calls}
    numbers = count()
    turns: list[Json] = []
    for message in messages:
        match message.role:
            case "user":
                _add(turns, "user", [*_text(message.text), *map(_image, message.images)])
            case "assistant":
                calls = [(f"call_{next(numbers)}", call) for call in message.tool_calls]
                _add(turns, "assistant", [*_text(message.text), *(_use(*call) for call in calls)])
                _add(turns, "user", [_result(use_id, outputs.get(call.call_id, NO_OUTPUT)) for use_id, call in calls])
            case "tool" if message.call_id not in called:
                _add(turns, "user", _text(f"A function returned: {message.text}"))
            case _:
                pass  # instructions, and outputs that were added with their calls
    if not turns or turns[0]["role"] != "user":
        turns.insert(0, {"role": "user", "content": _text(SILENCE)})
    if turns[-1]["role"] != "user":
        turns.append({"role": "user", "content": _text(SILENCE)})
    return turns


def tools_of(request: ChatRequest) -> Json:
    """Return ``tools`` and ``tool_choice``, as far as the request has them.

    The service refuses a conversation with calls but no tools: then the called tools are declared, and forbidden.
    """
    if request.tools:
        return {"tools": [_tool(tool) for tool in request.tools], "tool_choice": _choice(request)}
    called = dict.fromkeys(call.name for message in request.messages for call in message.tool_calls)
    if called:
        return {"tools": [_tool(Tool(name)) for name in called], "tool_choice": {"type": "none"}}
    return {}


def _add(turns: list[Json], role: str, blocks: list[Json]) -> None:
    """Append ``blocks``, to the last turn if it has the same role."""
    if turns and turns[-1]["role"] == role:
        turns[-1]["content"] += blocks
    elif blocks:
        turns.append({"role": role, "content": blocks})


def _text(text: str) -> list[Json]:
    return [{"type": "text", "text": replace_surrogates(text)}] if text.strip() else []


def _image(url: str) -> Json:
    head, _, data = url.partition(",")
    media_type, *parameters = head.removeprefix("data:").split(";")
    if head.startswith("data:") and "base64" in parameters:
        return {
            "type": "image",
            "source": {"type": "base64", "media_type": media_type, "data": replace_surrogates(data)},
        }
    return {"type": "image", "source": {"type": "url", "url": replace_surrogates(url)}}


def _use(use_id: str, call: ToolCall) -> Json:
    return {
        "type": "tool_use",
        "id": use_id,
        "name": replace_surrogates(call.name),
        "input": _arguments(replace_surrogates(call.arguments)),
    }


def _result(use_id: str, output: str) -> Json:
    return {"type": "tool_result", "tool_use_id": use_id, "content": _text(output)}


def _arguments(text: str) -> Json:
    """Return the arguments as the object that the service requires, also if a client changed them."""
    if not text.strip():
        return {}
    try:
        return msgspec.json.decode(text, type=Json)
    except (msgspec.DecodeError, RecursionError):
        return {"arguments": text}


def _tool(tool: Tool) -> Json:
    made: Json = {"name": tool.name, "input_schema": {"type": "object", "properties": {}, **(tool.parameters or {})}}
    if tool.description:
        made["description"] = tool.description
    return made


def _choice(request: ChatRequest) -> Json:
    kind, _, name = request.tool_choice.partition(":")
    choice: Json = {"type": "tool", "name": name} if kind == "function" else {"type": kind}
    if kind == "required":
        choice["type"] = "any"
    if kind != "none" and not request.parallel_tool_calls:
        choice["disable_parallel_tool_use"] = True
    return choice
