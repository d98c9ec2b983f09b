"""An answer that was broken off goes on behind what was said of it, by whatever engine is there."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from antiphon.entities.chat import ChatDone, ChatEvent, ChatMessage, ChatRequest, TextDelta
from antiphon.ports.llm import LanguageModel
from antiphon.text.overlap import Seam
from antiphon.text.scripts import is_unspaced
from antiphon.text.tokens import estimate_tokens

_GO_ON = "Your last message was cut off. Write only what comes behind it, and say nothing of it again, nor of this."
_WITHIN_A_WORD = (
    "Your last message was cut off. Begin with its last word, written in full, and go on from there. Say nothing else "
    "of it again, nor of this."
)
"""A word at the end may have been cut too: a model that begins with it finishes it, and the seam finds the place."""


async def continued(engine: LanguageModel, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
    """Yield what follows ``request.prefix``, without what of it the engine says once more; it may be nothing.

    ``max_tokens`` bounds the whole answer, and ``output_tokens`` counts it; of an engine that has to be told to go on,
    the tokens before are estimated. Raises what the engine raises.
    """
    events = engine.respond(request) if engine.capabilities.continues else _told(engine, request)
    async with aclosing(events):  # pyright: ignore[reportArgumentType] -- the engines' iterators are async generators
        async for event in events:
            yield event


async def _told(engine: LanguageModel, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
    said = estimate_tokens(request.prefix)
    left = None if request.max_tokens is None else request.max_tokens - said
    if left is not None and left <= 0:
        yield ChatDone("length", output_tokens=said)
        return
    last = request.prefix[-1]
    ask = _WITHIN_A_WORD if last.isalnum() and not is_unspaced(last) else _GO_ON
    messages = (*request.messages, ChatMessage("assistant", request.prefix), ChatMessage("user", ask))
    asked = replace(request, messages=messages, max_tokens=left, prefix="")
    seam = Seam(request.prefix)
    async with aclosing(engine.respond(asked)) as events:  # pyright: ignore[reportArgumentType] -- as above
        async for event in events:
            text = seam.feed(event.text) if isinstance(event, TextDelta) else seam.flush()
            if text:
                yield TextDelta(text)
            if isinstance(event, ChatDone):
                yield replace(event, output_tokens=said + event.output_tokens)
            elif not isinstance(event, TextDelta):
                yield event
