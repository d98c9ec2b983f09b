"""One answer that several LLMs may write in turn."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from antiphon.entities.chat import ChatEvent, ChatRequest, TextDelta, ToolCallDelta
from antiphon.ports.llm import LanguageModel
from antiphon.resilience.empty_answers import answered


class JoinedAnswer:
    """An answer in which each engine continues the words of the previous ones."""

    def __init__(self, request: ChatRequest) -> None:
        self._request = request
        self._said = [request.prefix]
        self._has_called = False

    def can_continue(self) -> bool:
        """Say whether another engine may continue: words can be continued, a tool call cannot."""
        return not self._has_called

    async def by(self, engine: LanguageModel) -> AsyncGenerator[ChatEvent]:
        """Yield the part of ``engine``. Raises the errors of `answered`."""
        request = replace(self._request, prefix="".join(self._said))
        async with aclosing(answered(engine, request)) as events:
            async for event in events:
                match event:
                    case TextDelta():
                        self._said.append(event.text)
                    case ToolCallDelta():
                        self._has_called = True
                    case _:
                        pass
                yield event
