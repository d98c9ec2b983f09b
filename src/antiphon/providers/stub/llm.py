"""The stub language model: a fixed answer at a fixed speed, for integration tests and benchmarks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from antiphon.entities.capabilities import Capabilities
from antiphon.entities.chat import ChatDone, ChatEvent, ChatRequest, TextDelta
from antiphon.errors import ProviderTimeout
from antiphon.ports.engine import EngineContext
from antiphon.ports.llm import LanguageModel
from antiphon.providers.prompting.tool_choice import count_words, example_call, forced_tool, last_user_text, named_tool
from antiphon.providers.stub.settings import StubSettings

_WORDS = ("This", "is", "the", "stub", "and", "it", "has", "no", "more", "to", "say.")
"""One sentence, repeated, so that answers have several sentences."""


def create(context: EngineContext) -> LanguageModel:
    """Make the engine from ``stub_llm_ms``, ``stub_llm_words`` and ``stub_llm_wps``."""
    settings = context.section(StubSettings)
    return StubLlm(
        first_ms=settings.stub_llm_ms,
        words=settings.stub_llm_words,
        words_per_s=settings.stub_llm_wps,
        timeout_s=context.timeout_s,
    )


class StubLlm:
    """Answers with ``words`` words, one per delta: the first after ``first_ms``, then ``words_per_s`` (0: at once).

    A word counts as a token. After a prefix the answer continues with the next word. A forced tool is called with
    arguments that satisfy its schema. With ``tool_choice`` "auto" the answer is text, unless the last message is the
    user's and contains a tool's name: then that tool is called.
    """

    capabilities = Capabilities(name="stub", models=("stub",), streams=True, tools=True, images=True, continues=True)

    def __init__(
        self, *, first_ms: float = 0, words: int = 20, words_per_s: float = 0, timeout_s: float = 30.0
    ) -> None:
        self._first_s = first_ms / 1000
        self._words = words
        self._pause_s = 1 / words_per_s if words_per_s else 0.0
        self._timeout_s = timeout_s

    async def start(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to free."""

    async def respond(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        """Stream the fixed answer, or the tool call that ``request`` asks for."""
        tool = forced_tool(request)
        if tool is None and request.tool_choice == "auto":
            tool = named_tool(request)
        started = asyncio.get_running_loop().time()
        await self._wait_until(started + self._first_s)
        input_tokens = count_words(request)
        if tool is not None:
            for delta in await example_call(tool, last_user_text(request)):
                yield delta
            yield ChatDone("tool_calls", input_tokens=input_tokens, output_tokens=1)
            return
        said = self._words if request.max_tokens is None else min(self._words, request.max_tokens)
        begin = len(request.prefix.split())
        for index in range(begin, said):
            await self._wait_until(started + self._first_s + (index - begin) * self._pause_s)
            word = _WORDS[index % len(_WORDS)]
            yield TextDelta(word if index == 0 else f" {word}")
        yield ChatDone("stop" if said == self._words else "length", input_tokens=input_tokens, output_tokens=said)

    async def _wait_until(self, due: float) -> None:
        """Sleep until a point in time, so that delays do not accumulate. Raises `ProviderTimeout`."""
        delay_s = due - asyncio.get_running_loop().time()
        if delay_s > self._timeout_s:
            await asyncio.sleep(self._timeout_s)
            raise ProviderTimeout(f"the stub model gave no text within {self._timeout_s} s")
        if delay_s > 0:
            await asyncio.sleep(delay_s)
