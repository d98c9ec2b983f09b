"""Sends events to one endpoint of webhooks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import structlog

from antiphon.clock import Clock
from antiphon.errors import ProviderTimeout, Transient
from antiphon.observe.webhook_metrics import SendResult, WebhookMetrics
from antiphon.ports.webhooks import Answer, WebhookSender
from antiphon.webhooks.endpoints import Endpoint
from antiphon.webhooks.progress import Progress
from antiphon.webhooks.schedule import outcome_of, wait_s
from antiphon.webhooks.signature import signed_headers

_log = structlog.get_logger(__name__)

MOST_SENDS = 16
"""Attempts at a time."""
MOST_OPEN = 80
"""Attempts at a time, and events that wait for theirs."""
_ROOM_S = 1.0
"""Longest wait for room among them: then an endpoint is too slow, and the event is postponed."""


class Lane:
    """Sends events to one endpoint, some at a time."""

    def __init__(
        self,
        endpoint: Endpoint,
        key: bytes,
        sender: WebhookSender,
        clock: Clock,
        metrics: WebhookMetrics,
        *,
        most_sends: int = MOST_SENDS,
        most_open: int = MOST_OPEN,
        room_s: float = _ROOM_S,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self.endpoint = endpoint
        self.most_open = most_open
        self._key = key
        self._sender = sender
        self._clock = clock
        self._metrics = metrics
        self._uniform = uniform
        self._slots = asyncio.Semaphore(most_sends)
        self._places = asyncio.Semaphore(most_open)
        self._room_s = room_s
        self._fails = False

    async def send(self, event_id: str, body: bytes, progress: Progress) -> None:
        """Send an event once, and note in ``progress`` what became of it."""
        try:
            async with asyncio.timeout(self._room_s):
                await self._places.acquire()
        except TimeoutError:
            self._metrics.attempted("busy")
            self._postpone(progress)
            return
        try:
            async with self._slots:
                await self._attempt(event_id, body, progress)
        finally:
            self._places.release()

    async def _attempt(self, event_id: str, body: bytes, progress: Progress) -> None:
        headers = signed_headers(self._key, event_id, int(self._clock.wall()), body)
        began = self._clock.now()
        try:
            answer = await self._sender.send(self.endpoint.url, headers, body)
        except Transient as error:
            result: SendResult = "timeout" if isinstance(error, ProviderTimeout) else "unreachable"
            reason = "gave no answer in time" if result == "timeout" else "cannot be reached or broke off"
            self._failed(progress, reason)
        else:
            result = self._answered(progress, answer)
        self._metrics.attempted(result, self._clock.now() - began)
        self._report(result, progress)

    def _answered(self, progress: Progress, answer: Answer) -> SendResult:
        match outcome_of(answer.status):
            case "delivered":
                progress.took(self.endpoint)
                return "delivered"
            case "gone":
                progress.gone[self.endpoint.name] = f"answered {answer.status}"
                return "gone"
            case "failed":
                self._failed(progress, f"answered {answer.status}", answer.retry_after_s)
                return "refused"

    def _failed(self, progress: Progress, reason: str, retry_after_s: float | None = None) -> None:
        failure = progress.failure(self.endpoint)
        failure.count += 1
        failure.reason = reason
        failure.due_at = self._clock.wall() + wait_s(failure.count, retry_after_s, self._uniform())

    def _postpone(self, progress: Progress) -> None:
        """Have an event that found no room sent a little later: nothing was sent, so nothing has failed."""
        failure = progress.failure(self.endpoint)
        failure.reason = failure.reason or "has too many open requests"
        failure.due_at = self._clock.wall() + wait_s(1, None, self._uniform())

    def _report(self, result: SendResult, progress: Progress) -> None:
        """Log that the endpoint begins to fail or has recovered; not each event."""
        if result == "delivered":
            if self._fails:
                _log.info("webhook endpoint recovered", endpoint=self.endpoint.name)
            self._fails = False
        elif not self._fails:
            self._fails = True
            reason = progress.reason([self.endpoint])
            _log.warning("webhook endpoint failed", endpoint=self.endpoint.name, reason=reason)
