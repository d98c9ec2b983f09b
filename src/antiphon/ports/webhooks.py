"""Sending webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of an endpoint; its body is nobody's concern."""

    status: int
    retry_after_s: float | None = None
    """Seconds that the endpoint asks to wait; None: it does not say."""


class WebhookSender(Protocol):
    """Posts to endpoints."""

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Post once, and return the answer whatever its status; a redirect is not followed.

        Raises `ProviderTimeout` without an answer within the deadline, `ProviderUnavailable` for a connection that
        fails. Errors name no URL. When it is cancelled the endpoint may or may not have the body.
        """
        ...
