"""Language models with OpenAI's chat completions: OpenAI, Groq, Ollama and compatible services."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import Any

import httpx2
from openai import AsyncOpenAI, OpenAIError, omit
from openai.types.chat import ChatCompletionChunk

from antiphon import ids
from antiphon.entities.capabilities import Capabilities
from antiphon.entities.chat import ChatDone, ChatEvent, ChatRequest, TextDelta, ToolCallDelta
from antiphon.errors import ProviderUnavailable
from antiphon.ports.engine import EngineContext
from antiphon.ports.llm import LanguageModel
from antiphon.ports.settings import opened
from antiphon.providers.hosting.deadline import deadline
from antiphon.providers.http.chunks import pieces
from antiphon.providers.openai.client import check, connect
from antiphon.providers.openai.errors import openai_errors
from antiphon.providers.openai.messages import messages_of, tools_of
from antiphon.providers.openai.settings import GroqSettings, OllamaSettings, OpenAiSettings
from antiphon.providers.prompting.context_window import fit
from antiphon.providers.prompting.tool_choice import forced_tool

_GROQ_BASE_URL = "https://api.groq.com/openai/v1"
_ANSWER_SHARE = 4
"""One part in four of the context is reserved for the answer."""


@dataclass(frozen=True, slots=True)
class Service:
    """Address and features of one service."""

    name: str
    base_url: str
    model: str
    key: str = ""
    key_setting: str = ""
    """Setting of the required key; empty if no key is needed."""
    images: bool = False
    context_tokens: int = 128_000
    limit_field: str = "max_tokens"
    """The service's name for the upper bound of an answer."""


def create_openai(context: EngineContext) -> LanguageModel:
    """Make the engine from ``openai_api_key``, ``openai_base_url``, ``openai_llm_model``, ``openai_llm_images``."""
    settings = context.section(OpenAiSettings)
    service = Service(
        name="openai",
        base_url=settings.openai_base_url,
        model=settings.openai_llm_model,
        key=opened(settings.openai_api_key),
        key_setting="ANTIPHON_OPENAI_API_KEY" if settings.is_official else "",
        images=settings.openai_llm_images,
        limit_field="max_completion_tokens" if settings.is_official else "max_tokens",
    )
    return OpenAiLlm(service, timeout_s=context.timeout_s)


def create_groq(context: EngineContext) -> LanguageModel:
    """Make the engine from ``groq_api_key`` and ``groq_llm_model``."""
    settings = context.section(GroqSettings)
    service = Service(
        name="groq",
        base_url=_GROQ_BASE_URL,
        model=settings.groq_llm_model,
        key=opened(settings.groq_api_key),
        key_setting="ANTIPHON_GROQ_API_KEY",
        limit_field="max_completion_tokens",
    )
    return OpenAiLlm(service, timeout_s=context.timeout_s)


def create_ollama(context: EngineContext) -> LanguageModel:
    """Make the engine from ``ollama_base_url`` and ``ollama_llm_model``. Its context is 4,096 tokens by default."""
    settings = context.section(OllamaSettings)
    service = Service(
        name="ollama",
        base_url=settings.ollama_base_url,
        model=settings.ollama_llm_model,
        context_tokens=4096,
    )
    return OpenAiLlm(service, timeout_s=context.timeout_s)


class OpenAiLlm:
    """Streams answers of the configured model of one `Service`, for any model name of a client.

    Does not retry. Each step of an answer has ``timeout_s``.
    """

    def __init__(self, service: Service, *, timeout_s: float) -> None:
        self._service = service
        self._timeout_s = timeout_s
        self._client: AsyncOpenAI | None = None

    @property
    def capabilities(self) -> Capabilities:
        """Declared capabilities; the service is not asked."""
        service = self._service
        return Capabilities(
            service.name,
            models=(service.model,),
            streams=True,
            is_remote=True,
            has_check=True,
            images=service.images,
            tools=True,
            context_tokens=service.context_tokens,
        )

    async def start(self) -> None:
        """Open the client. Raises `ProviderUnavailable` without a key; sends no request yet."""
        self._open()

    async def check(self) -> None:
        """Request the list of models."""
        await check(self._service.name, self._open())

    async def close(self) -> None:
        """Close all connections; idempotent."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def respond(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        """Stream the service's answer."""
        forced_tool(request)  # an unknown tool is the caller's mistake, not the service's
        client = self._open()
        answer = _Answer(self._service.name)
        with openai_errors(self._service.name):
            async with deadline(self._service.name, self._timeout_s):
                body = await asyncio.to_thread(self._body, request)  # slow for a conversation of megabytes
                stream = await client.chat.completions.create(**body)
            try:
                async with aclosing(pieces(self._service.name, stream, self._timeout_s)) as chunks:
                    async for chunk in chunks:
                        for event in answer.take(chunk):
                            yield event
            finally:
                with suppress(OpenAIError, httpx2.HTTPError):
                    await stream.close()
        yield answer.done()

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        service = self._service
        reserved = request.max_tokens or service.context_tokens // _ANSWER_SHARE
        limit = max(service.context_tokens - reserved, service.context_tokens // _ANSWER_SHARE)
        messages = request.messages
        if not service.images:
            messages = tuple(replace(message, images=()) for message in messages)
        return {
            "model": service.model,
            "messages": messages_of(fit(messages, limit)),
            "stream": True,
            "stream_options": {"include_usage": True},
            "reasoning_effort": request.reasoning_effort or omit,
            service.limit_field: omit if request.max_tokens is None else max(1, request.max_tokens),
            **tools_of(request),
        }

    def _open(self) -> AsyncOpenAI:
        service = self._service
        if self._client is None:
            if service.key_setting and not service.key:
                raise ProviderUnavailable(
                    f"there is no key for {service.name}: set {service.key_setting}", code="no_api_key"
                )
            self._client = connect(service.key or "none", service.base_url, timeout_s=self._timeout_s)
        return self._client


class _Answer:
    """Turns chunks into events. Services differ in the numbers of calls and the place of the usage."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._finish_reason: str | None = None
        self._usage: Any = None
        self._calls: dict[int, tuple[int, str, str]] = {}
        """Our index, id and name of the current call, by the service's index."""
        self._count = 0

    def take(self, chunk: ChatCompletionChunk) -> Iterator[ChatEvent]:
        """Yield the events of one chunk. Raises `ProviderUnavailable` for a malformed one."""
        try:
            self._usage = chunk.usage or self._usage
            for choice in chunk.choices or ():
                self._finish_reason = choice.finish_reason or self._finish_reason
                text = choice.delta.content or choice.delta.refusal
                if text:
                    yield TextDelta(text)
                for part in choice.delta.tool_calls or ():
                    function = part.function
                    call = self._call(part.index or 0, part.id, function.name if function else None)
                    yield ToolCallDelta(*call, (function.arguments if function else None) or "")
        except (AttributeError, TypeError) as exc:
            raise ProviderUnavailable(f"{self._engine} sent a malformed chunk", detail=str(exc)) from exc

    def done(self) -> ChatDone:
        """Return the last event. Raises `ProviderUnavailable` for an incomplete answer."""
        match self._finish_reason:
            case None:
                raise ProviderUnavailable(f"{self._engine} broke off in the middle of its answer")
            case "length" | "content_filter" as reason:
                finish = reason
            case _:
                finish = "tool_calls" if self._calls else "stop"
        usage = self._usage
        details = getattr(usage, "prompt_tokens_details", None)
        return ChatDone(
            finish,
            input_tokens=getattr(usage, "prompt_tokens", None) or 0,
            output_tokens=getattr(usage, "completion_tokens", None) or 0,
            cached_tokens=getattr(details, "cached_tokens", None) or 0,
        )

    def _call(self, index: int, call_id: str | None, name: str | None) -> tuple[int, str, str]:
        """Return our index, id and name. A new id under a known index is another call."""
        known = self._calls.get(index)
        if known is not None and (not call_id or call_id == known[1]):
            return known
        call = (self._count, call_id or ids.new_id("call"), name or "")
        self._count += 1
        self._calls[index] = call
        return call
