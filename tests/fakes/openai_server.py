"""A scripted chat service that speaks as OpenAI does, over real HTTP on loopback.

    async with OpenAiServer() as server:
        server.script(say("Good morning."), call("get_weather", '{"city": "Porto"}'), refuse(429))
        client = AsyncOpenAI(base_url=server.base_url, api_key="any")

Each request to ``/v1/chat/completions`` plays the next script as a stream; without one it is refused where a strict
template of a model would refuse it, else obeyed: a forced function is called, an upper bound is kept, else the answer
is "Hello. I am scripted." What was asked, and when clients hung up, is kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from antiphon.text.schema_example import example
from tests.fakes import sse_server
from tests.fakes.sse_server import Json, Pause, SseServer, Step, refusal


@dataclass(frozen=True)
class Script(sse_server.Script):
    """One answer. A dict is the ``choices[0]`` of a chunk, or a whole chunk where it has ``choices`` or ``error``."""

    usage: Json | None = None
    finished: bool = True
    """False leaves ``[DONE]`` and the usage out."""


USAGE: Json = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 5},
}


def say(text: str, *, pause_s: float = 0.0, first_s: float = 0.0, finish: str = "stop") -> Script:
    """Answer with exactly ``text``, a word a chunk."""
    words = [word if at == 0 else f" {word}" for at, word in enumerate(text.split(" "))] if text else []
    steps: list[Step] = [Pause(first_s), {"index": 0, "delta": {"role": "assistant", "content": ""}}]
    for word in words:
        steps += [{"index": 0, "delta": {"content": word}}, Pause(pause_s)]
    return Script([*steps, {"index": 0, "delta": {}, "finish_reason": finish}], usage=USAGE)


def call(*calls: str, pieces: int = 3, text: str = "") -> Script:
    """Call functions: name and arguments in turn. ``text`` comes before."""
    steps: list[Step] = [{"index": 0, "delta": {"content": text}}] if text else []
    for index in range(0, len(calls), 2):
        name, arguments = calls[index], calls[index + 1]
        size = max(1, len(arguments) // pieces)
        at = index // 2
        steps.append(_call_step(at, {"name": name, "arguments": ""}, call_id=f"call_{at}"))
        cuts = range(0, len(arguments), size)
        steps += [_call_step(at, {"arguments": arguments[cut : cut + size]}) for cut in cuts]
    return Script([*steps, {"index": 0, "delta": {}, "finish_reason": "tool_calls"}], usage=USAGE)


def refuse(status: int, *, code: str = "some_code", message: str = "no", **headers: str) -> sse_server.Script:
    """Answer with an HTTP error and OpenAI's error JSON."""
    error = {"error": {"message": message, "type": "some_type", "code": code, "param": None}}
    return refusal(status, error, headers)


def obey(asked: Json) -> Script:
    """Do what the request asks, as little as possible."""
    choice = asked.get("tool_choice", "auto")
    if asked.get("tools") and choice not in ("auto", "none"):
        wanted = choice["function"]["name"] if isinstance(choice, dict) else asked["tools"][0]["function"]["name"]
        tool = next(tool["function"] for tool in asked["tools"] if tool["function"]["name"] == wanted)
        return call(wanted, json.dumps(example(tool["parameters"])))
    words = ["Hello.", "I", "am", "scripted."]
    most = asked.get("max_tokens") or asked.get("max_completion_tokens") or len(words)
    return say(" ".join(words[:most]), finish="stop" if most >= len(words) else "length")


def _complaint(roles: list[str]) -> str | None:
    """Return what a strict template says to messages of these roles, or None."""
    turns = roles[1:] if roles[:1] == ["system"] else roles
    if "system" in turns:
        return "System message must be at the beginning."
    if turns[:1] != ["user"]:
        return "No user query found in messages."
    if any(role == before for role, before in pairwise(turns) if role != "tool"):
        return "Conversation roles must alternate user/assistant/user/assistant/..."
    return "The last message must be the user's or a tool's." if turns[-1] == "assistant" else None


def _call_step(index: int, function: Json, call_id: str | None = None) -> Json:
    part: Json = {"index": index, "function": function}
    if call_id:
        part |= {"id": call_id, "type": "function"}
    return {"index": 0, "delta": {"tool_calls": [part]}}


class OpenAiServer(SseServer):
    """The service."""

    page = "/chat/completions"

    @property
    def base_url(self) -> str:
        return f"{super().base_url}/v1"

    def obey(self, asked: Json, headers: dict[str, str]) -> sse_server.Script:
        complaint = _complaint([message["role"] for message in asked["messages"]])
        return refuse(400, message=complaint) if complaint else obey(asked)

    def encode(self, event: Json) -> bytes:
        chunk = event if {"choices", "error"} & event.keys() else _chunk(event)
        return b"data: " + json.dumps(chunk).encode() + b"\n\n"

    def ending(self, script: sse_server.Script, asked: Json) -> Iterator[bytes]:
        if not isinstance(script, Script) or not script.finished:
            return
        if script.usage and (asked.get("stream_options") or {}).get("include_usage"):
            yield self.encode({**_chunk(), "usage": script.usage})
        yield b"data: [DONE]\n\n"


def _chunk(choice: Json | None = None) -> Json:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "scripted",
        "choices": [choice] if choice else [],
    }
