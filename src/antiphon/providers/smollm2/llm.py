"""SmolLM2-135M-Instruct through llama.cpp: runs on one core, offline, with little knowledge."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from antiphon.entities.capabilities import Capabilities
from antiphon.entities.chat import ChatDone, ChatEvent, ChatRequest, TextDelta, Tool
from antiphon.errors import ProviderBusy, ProviderUnavailable, WeightsMissing
from antiphon.ports.engine import EngineContext
from antiphon.ports.llm import LanguageModel
from antiphon.ports.workers import WorkerSettings
from antiphon.providers.hosting.deadline import deadline
from antiphon.providers.prompting.tool_choice import call_deltas, example_call, forced_tool, last_user_text
from antiphon.providers.smollm2.prompt import (
    TELL_MORE,
    call_prompt,
    estimate,
    grammar_schema,
    openings,
    prompt,
    text_not_to_repeat,
)
from antiphon.providers.smollm2.server import Chunk, LlamaServer
from antiphon.providers.smollm2.settings import SmolLm2Settings
from antiphon.providers.weights.files import Weights
from antiphon.text.echo import EchoFilter

NAME = "smollm2"

_SLOT_TOKENS = 1024
"""Context of one conversation; the model was trained with 8,192, but a prompt costs 10 ms per token."""

_PROMPT_TOKENS = 384
_EXAMPLES_TOKENS = 128
"""Room for the examples and their separators."""

_ANSWER_TOKENS = 160
"""Longest answer if the request sets no limit; small models often do not stop on their own."""

_ENOUGH_TOKENS = 48
"""After this many tokens such an answer ends with its sentence."""

_CALL_TOKENS = 256
_WAITING_PER_SLOT = 8
_SENTENCE_END = re.compile(r"[.!?。！？][\"'”’)]*$")
_SAMPLING = {"temperature": 0, "repeat_penalty": 1.03, "repeat_last_n": 64}
"""A model of this size loses the thread at any higher temperature; the small penalty prevents loops."""


def create(context: EngineContext) -> LanguageModel:
    """Make the engine from ``smollm2_path`` and ``llm_workers``. Raises `ImportError` without its library."""
    return SmolLm2(
        context.section(SmolLm2Settings).smollm2_path,
        Weights(context.data_dir, offline=context.offline),
        slots=context.section(WorkerSettings).llm_workers,
        threads=context.threads,
        timeout_s=context.timeout_s,
    )


class SmolLm2:
    """Answers up to ``slots`` conversations at a time, each in a thread; others wait in order.

    Without ``max_tokens`` an answer ends with the first sentence that ends after 48 tokens, at 160 at the latest.
    Prompts are cut to 384 tokens. Functions are called only when forced. A prefix is passed to the model as the
    beginning of its own answer.
    """

    capabilities = Capabilities(
        name=NAME,
        models=("smollm2-135m-instruct",),
        languages=("en",),
        streams=True,
        continues=True,
        context_tokens=_SLOT_TOKENS,
    )

    def __init__(self, path: Path | None, weights: Weights, *, slots: int, threads: int, timeout_s: float) -> None:
        self._path = path
        self._weights = weights
        self._slots = slots
        self._threads = threads
        self._timeout_s = timeout_s
        self._server: LlamaServer | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._stops: set[threading.Event] = set()

    async def start(self) -> None:
        """Load the model and answer once in each slot, so that the instructions and examples are cached."""
        if self._server is not None:
            return
        path = self._model_file()
        self._pool = ThreadPoolExecutor(self._slots, thread_name_prefix=NAME)
        self._server = await asyncio.get_running_loop().run_in_executor(self._pool, self._load, path)

    async def close(self) -> None:
        """Stop all answers and free the model."""
        server, self._server = self._server, None
        if server is None or self._pool is None:
            return
        for stop in self._stops:
            stop.set()
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)
        server.close()

    async def respond(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        """Stream the answer to ``request``."""
        tool = forced_tool(request)
        events = self._say(request) if tool is None else self._call(request, tool)
        async with aclosing(events):
            async for event in events:
                yield event

    async def _say(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        """Answer without sentences that repeat the user's; if none is left, generate another answer."""
        said = text_not_to_repeat(request)
        if request.prefix or not said:
            async with aclosing(self._answer(request)) as events:
                async for event in events:
                    yield event
            return
        done = ChatDone("stop")
        for opening in openings(request):
            echoes = EchoFilter(said)
            async with aclosing(self._answer(request, opening)) as events:
                async for event in events:
                    if isinstance(event, ChatDone):
                        done = event
                    elif isinstance(event, TextDelta) and (passed := echoes.feed(event.text)):
                        yield TextDelta(passed)
            if passed := echoes.flush():
                yield TextDelta(passed)
            if echoes.has_passed or not echoes.has_withheld:
                break  # an empty answer is a failure, which the chain must see
        else:
            yield TextDelta(TELL_MORE)
        yield done

    async def _answer(self, request: ChatRequest, opening: str = "") -> AsyncGenerator[ChatEvent]:
        """Answer with ``opening`` as the beginning, which is sent as soon as the model delivers."""
        said = request.prefix or opening
        tally = _Tally(estimate(said))
        most = _ANSWER_TOKENS if request.max_tokens is None else max(1, request.max_tokens)
        left = min(most, _SLOT_TOKENS - _PROMPT_TOKENS - _EXAMPLES_TOKENS) - tally.output_tokens
        if left <= 0:
            if opening:
                yield TextDelta(opening)
            yield ChatDone("length", output_tokens=tally.output_tokens)
            return
        body = {"max_tokens": left, **_SAMPLING}
        async with aclosing(self._fitted(replace(request, prefix=said), body)) as chunks:
            async for chunk in chunks:
                text = tally.take(chunk)
                if opening:
                    yield TextDelta(opening)
                    opening = ""
                if request.max_tokens is None and tally.output_tokens > _ENOUGH_TOKENS and _ends(said, text):
                    tally.finish_reason = "stop"
                    break
                if text:
                    yield TextDelta(text.lstrip() if said[-1:].isspace() else text)
                    said += text
        yield tally.done()

    async def _call(self, request: ChatRequest, tool: Tool) -> AsyncGenerator[ChatEvent]:
        """Let the model fill in the schema; if it fails, make an example from the user's text."""
        tally = _Tally()
        arguments = ""
        schema = grammar_schema(tool)
        if schema is not None:
            form = {"type": "json_schema", "json_schema": {"name": "arguments", "schema": schema}}
            body = {"max_tokens": _CALL_TOKENS, "temperature": 0, "response_format": form}
            with suppress(ValueError):
                async with aclosing(self._fitted(request, body, tool)) as chunks:
                    async for chunk in chunks:
                        arguments += tally.take(chunk)
        for delta in (
            call_deltas(tool.name, arguments)
            if _is_call(arguments, tool)
            else await example_call(tool, last_user_text(request))
        ):
            yield delta
        tally.finish_reason = "tool_calls"
        yield tally.done()

    async def _fitted(self, request: ChatRequest, body: Chunk, tool: Tool | None = None) -> AsyncGenerator[Chunk]:
        """Stream chunks; a prompt that turns out longer than estimated is cut further."""
        for limit in (_PROMPT_TOKENS, _PROMPT_TOKENS // 2, 128):
            make = partial(call_prompt, request, tool, limit) if tool else partial(prompt, request, limit)
            messages = await asyncio.to_thread(make)  # slow for a conversation of megabytes
            async with aclosing(self._chunks({**body, "messages": messages})) as chunks:
                first = await anext(chunks, None)
                if first is None or "error" not in first:
                    if first is not None:
                        yield first
                    async for chunk in chunks:
                        yield chunk
                    return
                kind, message = first["error"].get("type"), first["error"].get("message")
                if kind == "invalid_request_error" and tool is not None:
                    raise ValueError(message)  # the schema's fault: the chain must not move on
                if kind != "exceed_context_size_error":
                    raise ProviderUnavailable("the model failed", detail=str(message))
        raise ProviderUnavailable("the conversation does not fit the model")

    async def _chunks(self, body: Chunk) -> AsyncGenerator[Chunk]:
        """Run one completion in a thread and yield its chunks; closing stops the thread."""
        if self._server is None or self._pool is None:
            raise ProviderUnavailable("the model is not loaded")
        if len(self._stops) >= self._slots * _WAITING_PER_SLOT:
            raise ProviderBusy(f"{len(self._stops)} answers are being generated or waiting")
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Chunk | None] = asyncio.Queue()  # bounded by max_tokens
        stop = threading.Event()
        self._stops.add(stop)
        call = loop.run_in_executor(self._pool, _complete, self._server, body, stop, _Bridge(loop, queue))
        call.add_done_callback(lambda done: _end(done, queue))
        try:
            while True:
                async with deadline(NAME, self._timeout_s):
                    chunk = await queue.get()
                if chunk is None:
                    break
                yield chunk
            if stop.is_set():
                raise ProviderUnavailable("the model was closed in the middle of an answer")
            await call
        except RuntimeError as exc:
            raise ProviderUnavailable("the model failed", detail=str(exc)) from exc
        except ValueError as exc:
            if "response_format" in body:
                raise  # the library cannot make a grammar of this schema
            raise ProviderUnavailable("the model rejected this conversation", detail=str(exc)) from exc
        finally:
            stop.set()
            call.cancel()
            self._stops.discard(stop)

    def _load(self, path: Path) -> LlamaServer:
        server = LlamaServer(path, slots=self._slots, slot_tokens=_SLOT_TOKENS, threads=self._threads)
        server.warm({"messages": prompt(ChatRequest(()), _PROMPT_TOKENS), "max_tokens": 1})
        return server

    def _model_file(self) -> Path:
        if self._path is not None:
            if not self._path.is_file():
                raise WeightsMissing(f"ANTIPHON_SMOLLM2_PATH names {self._path}, which is not a file")
            return self._path
        return next(iter(sorted(self._weights.folder(NAME).glob("*.gguf"))))


class _Bridge:
    """Hands chunks from an engine's thread to the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, queue: asyncio.Queue[Chunk | None]) -> None:
        self._loop = loop
        self._queue = queue

    def put(self, chunk: Chunk) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._queue.put_nowait, chunk)


class _Tally:
    """Counts the tokens of an answer, beginning with those ``said`` before."""

    def __init__(self, said: int = 0) -> None:
        self.finish_reason = ""
        self.output_tokens = said
        self._said = said
        self._input_tokens = 0
        self._cached_tokens = 0

    def take(self, chunk: Chunk) -> str:
        """Note one chunk and return its text."""
        if progress := chunk.get("prompt_progress"):
            self._input_tokens, self._cached_tokens = progress["total"], progress["cache"]
        if usage := chunk.get("usage"):
            self._input_tokens, self.output_tokens = usage["prompt_tokens"], self._said + usage["completion_tokens"]
        text = ""
        for choice in chunk.get("choices", ()):
            text += choice["delta"].get("content") or ""
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
        self.output_tokens += 1 if text else 0
        return text

    def done(self) -> ChatDone:
        """Return the last event."""
        match self.finish_reason:
            case "length" | "tool_calls" as reason:
                finish = reason
            case _:
                finish = "stop"
        return ChatDone(finish, self._input_tokens, self.output_tokens, self._cached_tokens)


def _complete(server: LlamaServer, body: Chunk, stop: threading.Event, bridge: _Bridge) -> None:
    """Run one completion in this thread until it ends or ``stop`` is set."""

    def on_chunk(chunk: Chunk) -> bool:
        if not stop.is_set():
            bridge.put(chunk)
        return stop.is_set()

    extra: Chunk = {"stream": True, "stream_options": {"include_usage": True}, "return_progress": True}
    if not stop.is_set():
        server.chat({**body, **extra}, on_chunk)


def _ends(said: str, more: str) -> bool:
    """Return whether ``said`` ends a sentence; ``more``, the next text, shows that no digit or dot follows."""
    return bool(_SENTENCE_END.search(said)) and (not more or more[0].isspace())


def _is_call(arguments: str, tool: Tool) -> bool:
    """Return whether the JSON is complete; the grammar has ensured its shape."""
    try:
        value: Any = json.loads(arguments)
        return isinstance(value, dict) and all(name in value for name in (tool.parameters or {}).get("required", ()))
    except (TypeError, ValueError, RecursionError):  # truncated or invalid JSON, or an invalid schema
        return False


def _end(call: asyncio.Future[None], queue: asyncio.Queue[Chunk | None]) -> None:
    """Tell the reader that its call is over: finished, failed, or cancelled before it began."""
    queue.put_nowait(None)
    if not call.cancelled():
        call.exception()  # retrieved here too, in case the reader is gone
