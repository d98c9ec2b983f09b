"""Continuation of an interrupted answer after its spoken prefix, by any engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from antiphon.entities.chat import ChatDone, ChatEvent, ChatMessage, ChatRequest, TextDelta
from antiphon.ports.llm import LanguageModel
from antiphon.text.overlap import Seam
from antiphon.text.scripts import is_unspaced
from antiphon.text.tokens import estimate_tokens

_CONTINUE = "Your last message was cut off. Write only what comes behind it, and say nothing of it again, nor of this."
_WITHIN_A_WORD = (
    "Your last message was cut off. Begin with its last word, written in full, and continue from there. Say nothing "
    "else of it again, nor of this."
)
"""The last word may be incomplete: the model writes it in full, and `Seam` finds the place to continue."""


async def continued(engine: LanguageModel, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
    """Yield the continuation of ``request.prefix``, without words that the engine repeats; it may be empty.

    ``max_tokens`` bounds the whole answer, and ``output_tokens`` counts it; for an engine that needs an instruction to
    continue, the tokens of the prefix are estimated. Raises the errors of the engine.
    """
    events = engine.respond(request) if engine.capabilities.continues else _instructed(engine, request)
    async with aclosing(events):  # pyright: ignore[reportArgumentType] -- the engines' iterators are async generators
        async for event in events:
            yield event


async def _instructed(engine: LanguageModel, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
    said = estimate_tokens(request.prefix)
    left = None if request.max_tokens is None else request.max_tokens - said
    if left is not None and left <= 0:
        yield ChatDone("length", output_tokens=said)
        return
    last = request.prefix[-1]
    ask = _WITHIN_A_WORD if last.isalnum() and not is_unspaced(last) else _CONTINUE
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
