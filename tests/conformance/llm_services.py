"""Remote language models, each behind a scripted service on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from antiphon.ports.llm import LanguageModel
from antiphon.providers import registry
from tests.conformance.llms import context
from tests.fakes import anthropic_server, openai_server
from tests.fakes.sse_server import Raw, Script, SseServer, Step

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
    503: "api_error",
    504: "timeout_error",
}


@dataclass(frozen=True)
class Service:
    """How one service answers."""

    name: str
    server: type[SseServer]
    say: Callable[..., Script]
    """Words, each in an event of its own."""
    refuse: Callable[..., Script]
    """An HTTP status, and headers."""
    begin: Callable[[Step], Script]
    """The words "half" and " an", and then a step with which the answer breaks off."""
    event: Callable[[bytes], Raw]
    """An event of an answer with these data."""
    ping: Step
    key_setting: str


def _refuse_anthropic(status: int, **headers: str) -> Script:
    return anthropic_server.refuse(status, _KINDS[status], **headers)


def _begin_anthropic(end: Step) -> Script:
    return Script([anthropic_server.start(), *list(anthropic_server.text_block(0, "half an"))[:-1], end])


def _begin_openai(end: Step) -> Script:
    words: list[Step] = [{"index": 0, "delta": {"content": word}} for word in ("half", " an")]
    return openai_server.Script([*words, end], finished=False)


SERVICES = (
    Service(
        "openai",
        openai_server.OpenAiServer,
        openai_server.say,
        openai_server.refuse,
        _begin_openai,
        lambda data: Raw(b"data: " + data + b"\n\n"),
        Raw(b": ping\n\n"),
        "ANTIPHON_OPENAI_API_KEY",
    ),
    Service(
        "anthropic",
        anthropic_server.AnthropicServer,
        anthropic_server.say,
        _refuse_anthropic,
        _begin_anthropic,
        lambda data: Raw(b"event: message_start\ndata: " + data + b"\n\n"),
        {"type": "ping"},
        "ANTIPHON_ANTHROPIC_API_KEY",
    ),
)


@asynccontextmanager
async def connected(
    service: Service, base_url: str | None, *, timeout_s: float = 30.0, **settings: Any
) -> AsyncIterator[LanguageModel]:
    """A model at an address; None is the official one."""
    address = {} if base_url is None else {f"{service.name}_base_url": base_url}
    model = registry.load("llm", (service.name,), context({**address, **settings}, timeout_s=timeout_s))
    try:
        yield model
    finally:
        await model.close()
