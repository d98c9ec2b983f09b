"""A scripted chat service that speaks as Anthropic does, over real HTTP on loopback.

    async with AnthropicServer() as server:
        server.script(say("Good morning."), call("get_weather", '{"city": "Porto"}'), refuse(529, "overloaded_error"))
        client = AsyncAnthropic(base_url=server.base_url, api_key="any")

Each request to ``/v1/messages`` plays the next script as a stream; without one it is held against the rules of
`anthropic_rules` and obeyed: a forced function is called, an upper bound is kept, else the answer is "Hello. I am
scripted."
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from antiphon.text.schema_example import example
from tests.fakes.anthropic_rules import complaint
from tests.fakes.sse_server import Json, Pause, Script, SseServer, Step, refusal

START_USAGE: Json = {
    "input_tokens": 4,
    "cache_creation_input_tokens": 2,
    "cache_read_input_tokens": 5,
    "output_tokens": 1,
}
VERSIONS = {"2023-06-01", "2026-10-21"}
"""Both want the same of a request that holds to `anthropic_rules`."""
STOP: Json = {"type": "message_stop"}


def start() -> Json:
    """The first event of every answer."""
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "scripted",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": START_USAGE,
    }
    return {"type": "message_start", "message": message}


def block(index: int, begun: Json, *deltas: Json, pause_s: float = 0.0) -> Iterator[Step]:
    """One block of an answer."""
    yield {"type": "content_block_start", "index": index, "content_block": begun}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield Pause(pause_s)
    yield {"type": "content_block_stop", "index": index}


def text_block(index: int, text: str, *, pause_s: float = 0.0) -> Iterator[Step]:
    """A text, a word a delta."""
    words = [word if at == 0 else f" {word}" for at, word in enumerate(text.split(" "))] if text else []
    deltas = [{"type": "text_delta", "text": word} for word in words]
    return block(index, {"type": "text", "text": ""}, *deltas, pause_s=pause_s)


def call_block(index: int, name: str, arguments: str, *, pieces: int = 3) -> Iterator[Step]:
    """A call; the service sends an empty piece first, and nothing more where there are no arguments."""
    size = max(1, len(arguments) // pieces)
    cuts = range(0, len(arguments), size) if arguments != "{}" else ()
    parts = ["", *(arguments[cut : cut + size] for cut in cuts)]
    deltas = [{"type": "input_json_delta", "partial_json": part} for part in parts]
    return block(index, {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": {}}, *deltas)


def ended(stop_reason: str | None, **usage: int) -> Json:
    """The event that says why an answer ends and what it cost."""
    delta = {"stop_reason": stop_reason, "stop_sequence": None}
    return {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 7, **usage}}


def say(text: str, *, pause_s: float = 0.0, first_s: float = 0.0, stop_reason: str = "end_turn") -> Script:
    """Answer with exactly ``text``, a word a delta."""
    words = text_block(0, text, pause_s=pause_s)
    return Script([Pause(first_s), start(), {"type": "ping"}, *words, ended(stop_reason), STOP])


def call(*calls: str, text: str = "") -> Script:
    """Call functions: name and arguments in turn. ``text`` comes before."""
    steps: list[Step] = [start(), *(text_block(0, text) if text else ())]
    for at in range(0, len(calls), 2):
        steps += call_block(at // 2 + bool(text), calls[at], calls[at + 1])
    return Script([*steps, ended("tool_use"), STOP])


def error(kind: str, message: str = "no") -> Json:
    """An error as the service writes it, whole or as an event."""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def refuse(status: int, kind: str, message: str = "no", *, error_code: str = "", **headers: str) -> Script:
    """Answer with an HTTP error and Anthropic's error JSON."""
    said = error(kind, message)
    if error_code:
        said["error"]["details"] = {"error_code": error_code}
    return refusal(status, said, headers)


def obey(asked: Json) -> Script:
    """Do what the request asks, as little as possible."""
    choice = asked.get("tool_choice", {"type": "auto"})
    if choice["type"] in {"any", "tool"}:
        wanted = choice.get("name", asked["tools"][0]["name"])
        tool = next(tool for tool in asked["tools"] if tool["name"] == wanted)
        return call(wanted, json.dumps(example(tool["input_schema"])))
    words = ["Hello.", "I", "am", "scripted."]
    most = asked["max_tokens"]
    return say(" ".join(words[:most]), stop_reason="end_turn" if most >= len(words) else "max_tokens")


class AnthropicServer(SseServer):
    """The service."""

    page = "/v1/messages"

    def obey(self, asked: Json, headers: dict[str, str]) -> Script:
        if not headers.get("x-api-key") and not headers.get("authorization", "").removeprefix("Bearer "):
            return refuse(401, "authentication_error", "an x-api-key or Authorization header is required")
        if headers.get("anthropic-version") not in VERSIONS:
            return refuse(400, "invalid_request_error", "anthropic-version: header is required")
        wrong = complaint(asked)
        return obey(asked) if wrong is None else refuse(400, "invalid_request_error", wrong)

    def encode(self, event: Json) -> bytes:
        return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
