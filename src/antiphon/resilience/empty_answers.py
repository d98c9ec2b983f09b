"""An answer of a language model that has neither a word nor a call is a failure, before anything of it is heard."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from antiphon.entities.chat import ChatDone, ChatEvent, ChatRequest, TextDelta, ToolCallDelta
from antiphon.errors import ProviderUnavailable
from antiphon.ports.llm import LanguageModel
from antiphon.resilience.continued_answers import continued


async def answered(engine: LanguageModel, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
    """Yield an engine's answer from its first word or call on; blanks before that are left out.

    Behind a ``prefix`` it is what `continued` yields: nothing may be missing, and blanks count.
    Raises `ProviderUnavailable` with code ``empty_answer`` where neither comes, unless the caller's own bound of
    tokens or the service's rules of content ended the answer; and what the engine raises.
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
        raise ProviderUnavailable(f"{engine.capabilities.name} answered nothing", code="empty_answer")


def _is_answer(event: ChatEvent, request: ChatRequest) -> bool:
    match event:
        case TextDelta():
            return bool(event.text)
        case ToolCallDelta():
            return True
        case ChatDone():
            is_cut = event.finish_reason == "length" and request.max_tokens is not None
            return is_cut or event.finish_reason == "content_filter"
