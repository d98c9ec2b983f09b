"""Language models, as the workers need them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from antiphon.entities.capabilities import Capabilities
from antiphon.entities.chat import ChatEvent, ChatRequest


class LanguageModel(Protocol):
    """Answers a conversation, token by token.

    `respond` yields `TextDelta` and `ToolCallDelta` in order and ends with exactly one `ChatDone`. A conversation
    longer than the model's context is truncated: the system message and the newest messages stay. Every order of roles
    gets an answer in words, and so does a conversation without messages.
    After a ``prefix`` a model with `Capabilities.continues` yields the continuation, spaces included, which may be
    empty, and counts the whole answer in ``output_tokens``; it raises `Unsupported` if it cannot continue there.
    ``tool_choice`` "required" or "function:<name>" yields a call whose arguments satisfy the tool's schema.
    Closing the iterator cancels the generation within 50 ms.
    Raises `ProviderBusy`, `ProviderTimeout`, `ProviderUnavailable`, `ProviderRejected`, `Unsupported`.
    """

    @property
    def capabilities(self) -> Capabilities: ...

    async def start(self) -> None:
        """Load and warm up. Raises `WeightsMissing`."""
        ...

    async def close(self) -> None:
        """Free everything; idempotent."""
        ...

    def respond(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        """Stream the answer to ``request``."""
        ...
