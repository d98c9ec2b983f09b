"""What Anthropic's Messages API refuses, in its own words as far as they are known.

`complaint` returns the first thing that is wrong with a request. The rules of the strictest current models are
taken: no word of the assistant at the end, no blank text, roles in turn.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

FIELDS = {
    "max_tokens", "messages", "metadata", "model", "output_config", "stop_sequences", "stream", "system",
    "thinking", "tool_choice", "tools",
}  # fmt: skip
MEDIA_TYPES = {"image/jpeg", "image/png", "image/gif", "image/webp"}
THINKING = {"disabled", "between_tools", "adaptive"}
EFFORTS = {"low", "medium", "high", "xhigh", "max"}
ID = re.compile(r"[a-zA-Z0-9_-]+")
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")


def complaint(asked: Json) -> str | None:
    """Return why the service refuses a request, or None."""
    try:
        json.dumps(asked, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "The request body is not valid JSON: no low surrogate in string"
    checks = (_fields(asked), _turns(asked), _blocks(asked), _calls(asked), _tools(asked), _thinking(asked))
    return next((found for check in checks for found in check), None)


def _fields(asked: Json) -> Iterator[str]:
    for name in asked.keys() - FIELDS:
        yield f"{name}: Extra inputs are not permitted"
    for name in ("model", "max_tokens", "messages"):
        if name not in asked:
            yield f"{name}: Field required"
    if not isinstance(asked["max_tokens"], int) or asked["max_tokens"] < 1:
        yield "max_tokens: Input should be greater than or equal to 1"
    if "system" in asked and not asked["system"].strip():
        yield "system: text content blocks must be non-empty"


def _turns(asked: Json) -> Iterator[str]:
    roles = [message["role"] for message in asked["messages"]]
    if not roles:
        yield "messages: at least one message is required"
    for at, role in enumerate(roles):
        if role != ("user", "assistant")[at % 2]:
            yield f"messages.{at}: roles must alternate between user and assistant, beginning with user"
    if roles[-1:] == ["assistant"]:
        yield "This model does not support assistant message prefill. The conversation must end with a user message."


def _blocks(asked: Json) -> Iterator[str]:
    for at, message in enumerate(asked["messages"]):
        if not message["content"]:
            yield f"messages.{at}: all messages must have non-empty content"
        for block in message["content"]:
            nested = block.get("content", []) if block["type"] == "tool_result" else []
            for one in (block, *nested):
                yield from (f"messages.{at}: {wrong}" for wrong in _block(one, message["role"]))


def _block(block: Json, role: str) -> Iterator[str]:
    match block["type"]:
        case "text":
            if not block["text"].strip():
                yield "text content blocks must contain non-whitespace text"
        case "image" if role == "user":
            yield from _image(block["source"])
        case "tool_use" if role == "assistant":
            if not ID.fullmatch(block["id"]):
                yield "tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
            if not isinstance(block["input"], dict):
                yield "tool_use.input: Input should be a valid dictionary"
        case "tool_result" if role == "user":
            pass  # `_calls` looks at it
        case kind:
            yield f"{kind!r} blocks are not allowed in {role} messages"


def _image(source: Json) -> Iterator[str]:
    if source["type"] == "url":
        if not source["url"].startswith(("http://", "https://")):
            yield "image.source.url: Only HTTP and HTTPS URLs are supported"
        return
    if source["media_type"] not in MEDIA_TYPES:
        yield f"image.source.base64.media_type: Input should be one of {sorted(MEDIA_TYPES)}"
    try:
        base64.b64decode(source["data"], validate=True)
    except binascii.Error:
        yield "image.source.base64: invalid base64 data"


def _calls(asked: Json) -> Iterator[str]:
    open_ids: list[str] = []
    seen: set[str] = set()
    for at, message in enumerate(asked["messages"]):
        kinds = [block["type"] for block in message["content"]]
        results = [block["tool_use_id"] for block in message["content"] if block["type"] == "tool_result"]
        if sorted(results) != sorted(open_ids):
            yield (
                f"messages.{at}: each `tool_use` block must have a corresponding `tool_result` block in the next "
                "message, and each `tool_result` one in the previous message"
            )
        if kinds[: len(results)] != ["tool_result"] * len(results):
            yield f"messages.{at}: `tool_result` blocks must come first"
        open_ids = [block["id"] for block in message["content"] if block["type"] == "tool_use"]
        if seen & set(open_ids) or len(set(open_ids)) < len(open_ids):
            yield f"messages.{at}: `tool_use` ids must be unique"
        seen |= set(open_ids)
    if seen and not asked.get("tools"):
        yield "Requests which include `tool_use` or `tool_result` blocks must define tools"


def _tools(asked: Json) -> Iterator[str]:
    names = [tool["name"] for tool in asked.get("tools", [])]
    if len(set(names)) < len(names):
        yield "tools: Tool names must be unique."
    for tool in asked.get("tools", []):
        if not TOOL_NAME.fullmatch(tool["name"]):
            yield "tools.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'"
        if tool["input_schema"].get("type") != "object":
            yield "tools.input_schema.type: Field required"
    choice = asked.get("tool_choice")
    if choice is None:
        return
    if not names:
        yield "tool_choice may only be specified while providing tools"
    if choice["type"] not in {"auto", "any", "tool", "none"}:
        yield f"tool_choice: Input tag {choice['type']!r} does not match any of the expected tags"
    if choice["type"] == "tool" and choice["name"] not in names:
        yield f"Tool {choice['name']!r} not found in provided tools"
    if choice["type"] == "none" and len(choice) > 1:
        yield "tool_choice.none: Extra inputs are not permitted"


def _thinking(asked: Json) -> Iterator[str]:
    thinking = asked.get("thinking", {"type": "adaptive"})
    effort = asked.get("output_config", {}).get("effort", "medium")
    if thinking["type"] not in THINKING or len(thinking) > 1:
        yield f"thinking: Input tag {thinking['type']!r} does not match any of the expected tags"
    if effort not in EFFORTS:
        yield f"output_config.effort: Input should be one of {sorted(EFFORTS)}"
    if thinking["type"] != "adaptive" and effort in {"xhigh", "max"}:
        yield f"thinking cannot be turned off at effort {effort}"
