"""Language models of Anthropic (Claude) and of services with its Messages API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

import httpx2
import msgspec
from anthropic import AnthropicError, AsyncAnthropic, DefaultAsyncHttpxClient, NotFoundError
from anthropic.types import RawContentBlockDeltaEvent, RawContentBlockStartEvent, RawMessageStreamEvent

from antiphon.entities.capabilities import Capabilities
from antiphon.entities.chat import ChatDone, ChatEvent, ChatRequest, TextDelta, ToolCallDelta
from antiphon.errors import ProviderUnavailable
from antiphon.ports.engine import EngineContext
from antiphon.ports.llm import LanguageModel
from antiphon.ports.settings import opened
from antiphon.providers.anthropic.errors import anthropic_errors
from antiphon.providers.anthropic.messages import Json, messages_of, tools_of
from antiphon.providers.anthropic.settings import OFFICIAL_BASE_URL, AnthropicSettings
from antiphon.providers.hosting.deadline import deadline
from antiphon.providers.http.chunks import pieces
from antiphon.providers.prompting.context_window import fit
from antiphon.providers.prompting.instructions import instructions_of
from antiphon.providers.prompting.tool_choice import forced_tool

NAME = "anthropic"
_MAX_TOKENS = 4096
"""The service requires an upper bound for each answer; this is half an hour of speech."""
_CONTEXT_TOKENS = 100_000
"""Models accept more, at a higher price: beyond this the small one costs five times as much."""
_COUNTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
_EFFORTS = {"low", "medium", "high", "xhigh"}
"""Values of a client that the service knows; lower ones do not turn thinking on."""


def create(context: EngineContext) -> LanguageModel:
    """Make the engine from ``anthropic_api_key``, ``_base_url``, ``_llm_model`` and ``_llm_thinking``."""
    settings = context.section(AnthropicSettings)
    return AnthropicLlm(
        base_url=settings.anthropic_base_url,
        model=settings.anthropic_llm_model,
        key=opened(settings.anthropic_api_key),
        thinking=settings.anthropic_llm_thinking,
        timeout_s=context.timeout_s,
    )


class AnthropicLlm:
    """Streams answers of the configured model, for any model name of a client.

    Does not retry. Each step of an answer has ``timeout_s``. ``thinking`` is ``disabled``,
    ``between_tools``, ``adaptive`` or ``model`` (the model's default).
    """

    def __init__(self, *, base_url: str, model: str, key: str, thinking: str, timeout_s: float) -> None:
        self._base_url = base_url
        self._model = model
        self._key = key
        self._thinking = thinking
        self._timeout_s = timeout_s
        self._client: AsyncAnthropic | None = None

    @property
    def capabilities(self) -> Capabilities:
        """Declared capabilities; the service is not asked."""
        return Capabilities(
            NAME,
            models=(self._model,),
            streams=True,
            is_remote=True,
            has_check=True,
            images=True,
            tools=True,
            context_tokens=_CONTEXT_TOKENS,
        )

    async def start(self) -> None:
        """Open the client. Raises `ProviderUnavailable` without a key; sends no request yet."""
        self._open()

    async def check(self) -> None:
        """Request one entry of the service's list of models."""
        with anthropic_errors(NAME), suppress(NotFoundError):
            await self._open().get("/v1/models?limit=1", cast_to=httpx2.Response)

    async def close(self) -> None:
        """Close all connections; idempotent."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def respond(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        """Stream the service's answer."""
        forced_tool(request)  # an unknown tool is the caller's mistake, not the service's
        client = self._open()
        answer = _Answer()
        with anthropic_errors(NAME):
            async with deadline(NAME, self._timeout_s):
                body = await asyncio.to_thread(self._body, request)  # slow for a conversation of megabytes
                stream = await client.messages.create(**body, stream=True)
            try:
                async with aclosing(pieces(NAME, stream, self._timeout_s)) as events:
                    async for event in events:
                        for result in answer.take(event):
                            yield result
            finally:
                with suppress(AnthropicError, httpx2.HTTPError):
                    await stream.close()
        yield answer.done()

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        most = max(1, _MAX_TOKENS if request.max_tokens is None else request.max_tokens)
        messages = fit(request.messages, max(_CONTEXT_TOKENS - most, _CONTEXT_TOKENS // 4))
        body = {
            "model": self._model,
            "max_tokens": most,
            "messages": messages_of(messages),
            **tools_of(request),
            **self._thinking_fields(request.reasoning_effort),
        }
        system = instructions_of(messages)
        return {**body, "system": system} if system else body

    def _thinking_fields(self, effort: str) -> Json:
        if effort in _EFFORTS:
            return {"thinking": {"type": "adaptive"}, "output_config": {"effort": effort}}
        return {} if self._thinking == "model" else {"thinking": {"type": self._thinking}}

    def _open(self) -> AsyncAnthropic:
        if self._client is None:
            if not self._key and self._base_url.rstrip("/") == OFFICIAL_BASE_URL:
                raise ProviderUnavailable(
                    "there is no key for Anthropic: set ANTIPHON_ANTHROPIC_API_KEY", code="no_api_key"
                )
            self._client = AsyncAnthropic(
                api_key=self._key or "none",
                base_url=self._base_url,
                timeout=self._timeout_s,
                max_retries=0,
                # a redirect would send conversations to another server
                http_client=DefaultAsyncHttpxClient(follow_redirects=False, timeout=self._timeout_s),
            )
        return self._client


@dataclass(slots=True)
class _Call:
    """A function call that is being received."""

    index: int
    call_id: str
    name: str
    arguments: Any
    """Arguments of its start event: empty, unless a service sends them whole."""
    has_pieces: bool = False

    def more(self, text: str) -> ToolCallDelta:
        """Return the next piece."""
        self.has_pieces = self.has_pieces or bool(text)
        return ToolCallDelta(self.index, self.call_id, self.name, text)

    def rest(self) -> Iterator[ToolCallDelta]:
        """Yield the arguments of a call without deltas, such as one of a function without parameters."""
        if not self.has_pieces:
            yield self.more(msgspec.json.encode(self.arguments or {}).decode())


class _Answer:
    """Turns the service's events into ours. Skips blocks that are neither text nor a call, such as thoughts."""

    def __init__(self) -> None:
        self._stop_reason: str | None = None
        self._is_over = False
        self._usage = dict.fromkeys(_COUNTS, 0)
        self._calls: dict[int, _Call] = {}
        """By index of the content block."""

    def take(self, event: RawMessageStreamEvent) -> Iterator[ChatEvent]:
        """Yield the results of one event, none for an unknown type.

        Raises `ProviderUnavailable` for a malformed event.
        """
        try:
            yield from self._take(event)
        except (AttributeError, TypeError, KeyError) as exc:
            raise ProviderUnavailable(f"{NAME} sent an event that is not part of an answer", detail=repr(exc)) from exc

    def done(self) -> ChatDone:
        """Return the last result. Raises `ProviderUnavailable` for an incomplete answer."""
        if not self._is_over:
            raise ProviderUnavailable(f"{NAME} broke off in the middle of its answer")
        match self._stop_reason:
            case "max_tokens" | "model_context_window_exceeded":
                finish = "length"
            case "refusal":
                finish = "content_filter"
            case _:
                finish = "tool_calls" if self._calls else "stop"
        usage = self._usage
        cached = usage["cache_read_input_tokens"]
        return ChatDone(
            finish,
            # the service counts cache reads and cache writes separately
            input_tokens=usage["input_tokens"] + usage["cache_creation_input_tokens"] + cached,
            output_tokens=usage["output_tokens"],
            cached_tokens=cached,
        )

    def _take(self, event: RawMessageStreamEvent) -> Iterator[ChatEvent]:
        match event.type:
            case "message_start":
                self._count(event.message.usage)
            case "content_block_start":
                yield from self._begin(event)
            case "content_block_delta":
                yield from self._continue(event)
            case "content_block_stop":
                if event.index in self._calls:
                    yield from self._calls[event.index].rest()
            case "message_delta":
                self._stop_reason = event.delta.stop_reason or self._stop_reason
                self._count(event.usage)
            case "message_stop":
                self._is_over = True

    def _begin(self, event: RawContentBlockStartEvent) -> Iterator[ChatEvent]:
        block = event.content_block
        if block.type == "text" and block.text:
            yield TextDelta(_as_text(block.text))
        elif block.type == "tool_use":
            call = _Call(len(self._calls), _as_text(block.id), _as_text(block.name), block.input)
            self._calls[event.index] = call
            yield call.more("")

    def _continue(self, event: RawContentBlockDeltaEvent) -> Iterator[ChatEvent]:
        delta = event.delta
        if delta.type == "text_delta" and delta.text:
            yield TextDelta(_as_text(delta.text))
        elif delta.type == "input_json_delta":
            yield self._calls[event.index].more(_as_text(delta.partial_json))

    def _count(self, usage: object) -> None:
        """Keep the newest figures: the last event does not always have all of them."""
        for name in _COUNTS:
            figure = getattr(usage, name, None)
            if isinstance(figure, int):
                self._usage[name] = figure


def _as_text(value: object) -> str:
    """Return ``value`` if it is a text, else raise `TypeError`: the client does not validate events."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value
