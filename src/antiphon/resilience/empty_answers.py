"""An LLM answer without words and without calls is a failure."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from antiphon.entities.chat import ChatDone, ChatEvent, ChatRequest, TextDelta, ToolCallDelta
from antiphon.errors import ProviderUnavailable
from antiphon.ports.llm import LanguageModel
from antiphon.resilience.continued_answers import continued


async def answered(engine: LanguageModel, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
    """Yield an engine's answer from its first word or call on; leading blanks are removed.

    With a ``prefix`` it is the result of `continued`, which may be empty and begin with blanks.
    Raises `ProviderUnavailable` with code ``empty_answer`` for an empty answer, unless ``max_tokens`` or the service's
    content filter ended it; and the errors of the engine.
    """
    has_begun = bool(request.prefix)
    results = continued(engine, request) if has_begun else engine.respond(request)
    async with aclosing(results) as events:  # pyright: ignore[reportArgumentType] -- the engines' iterators are async generators
        async for event in events:
            if isinstance(event, TextDelta) and not has_begun:
                event = TextDelta(event.text.lstrip())  # noqa: PLW2901 - the same event without its blanks
            has_begun = has_begun or _is_answer(event, request)
            if has_begun:
                yield event
    if not has_begun:
        raise ProviderUnavailable(f"{engine.capabilities.name} returned an empty answer", code="empty_answer")


def _is_answer(event: ChatEvent, request: ChatRequest) -> bool:
    match event:
        case TextDelta():
            return bool(event.text)
        case ToolCallDelta():
            return True
        case ChatDone():
            is_cut = event.finish_reason == "length" and request.max_tokens is not None
            return is_cut or event.finish_reason == "content_filter"
