"""Sends events of a log to the endpoints of webhooks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog

from antiphon.clock import Clock
from antiphon.entities.events import Delivery
from antiphon.errors import InvalidRequest, LeaseLost, Transient
from antiphon.observe.failures import error_fields
from antiphon.observe.webhook_metrics import WebhookMetrics
from antiphon.ports.event_logs import Subscription
from antiphon.resilience.backoff import Backoff
from antiphon.webhooks.body import body_of
from antiphon.webhooks.endpoints import Endpoint
from antiphon.webhooks.progress import Memory, Progress
from antiphon.webhooks.schedule import Deadline
from antiphon.workers.webhook_lanes import Lane

T = TypeVar("T")

_log = structlog.get_logger(__name__)

_BACKOFF = Backoff(base_s=0.2, cap_s=5.0)
_LEAVE_S = 2.0


@dataclass(frozen=True, slots=True)
class WebhookOptions:
    """Options of the webhooks."""

    types: frozenset[str]
    """Types of events that are sent."""
    retry_s: float
    """An event is dead so long after the log took it."""
    heartbeat_s: float
    """Interval of heartbeats; a third of the lease is right."""
    idle_s: float = 0.5
    """Wait when there is no event."""
    batch: int = 64
    """Most events taken at once."""
    remembered: int = 10_000
    """Events whose progress is remembered."""


class WebhookWorker:
    """Sends each event to every endpoint, at least once.

    An endpoint that is slow or fails does not hold up the others, nor later events: it gets the event later, out of
    order.
    """

    def __init__(
        self,
        subscription: Subscription,
        lanes: Sequence[Lane],
        options: WebhookOptions,
        clock: Clock,
        metrics: WebhookMetrics,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self._subscription = subscription
        self._lanes = {lane.endpoint.name: lane for lane in lanes}
        self._endpoints: tuple[Endpoint, ...] = tuple(lane.endpoint for lane in lanes)
        self._types = options.types if lanes else frozenset[str]()
        self._options = options
        self._deadline = Deadline(options.retry_s)
        self._clock = clock
        self._metrics = metrics
        self._uniform = uniform
        self._memory = Memory(options.remembered)
        # every lane may be full of an endpoint that hangs, and there is still room for events to the others
        self._most_open = options.batch + sum(lane.most_open for lane in lanes)
        self._open: dict[str, Delivery] = {}
        """The events in work, by their positions."""
        self._room = asyncio.Event()

    async def run(self) -> None:
        """Send events until cancelled; unfinished ones then go to another consumer."""
        try:
            while True:
                await self._until_lost()
        finally:
            await self._leave()

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(_LEAVE_S):
                await self._subscription.leave()
        except (Transient, TimeoutError) as error:  # its lease runs out
            _log.warning("consumer did not leave its group", **error_fields(error))

    async def _until_lost(self) -> None:
        """Send events until another consumer is active; then all work in progress is dropped."""
        self._open.clear()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._beat(), name="heartbeat of webhooks")
                while True:
                    await self._start_some(group)
        except* LeaseLost:
            _log.warning("another consumer took over webhooks")

    async def _start_some(self, group: asyncio.TaskGroup) -> None:
        """Take events and start their work; wait if there is none, or no room."""
        room = self._most_open - len(self._open)
        if room <= 0:
            self._room.clear()
            await self._room.wait()
            return
        taken = await self._persistently(lambda: self._subscription.take(min(room, self._options.batch)))
        ignored = [one for one in taken if one.event.type not in self._types]
        if ignored:
            await self._acknowledge([one.position for one in ignored])
            self._metrics.done("ignored", len(ignored))
        for one in taken:
            # an event that comes again while it is in work is settled by that work
            if one.event.type in self._types and one.position not in self._open:
                self._open[one.position] = one
                group.create_task(self._work_on(one), name=f"webhooks of {one.event.event_id}")
        if not taken:
            await asyncio.sleep(self._options.idle_s)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._options.heartbeat_s)
            if self._open:
                try:
                    await self._subscription.renew()
                except Transient as error:  # if another consumer took over, settling an event will show it
                    _log.warning("heartbeat of a consumer failed", **error_fields(error))

    async def _work_on(self, delivery: Delivery) -> None:
        try:
            await self._send(delivery)
        finally:
            if self._open.get(delivery.position) is delivery:
                del self._open[delivery.position]
            self._room.set()

    async def _send(self, delivery: Delivery) -> None:
        event, now = delivery.event, self._clock.wall()
        progress = self._memory.progress(event, delivery.attempt)
        try:
            body = body_of(event)
        except InvalidRequest as error:
            await self._bury(delivery, progress, error.message)
            return
        is_last = self._deadline.is_over(delivery.published_at, now)
        due = progress.open(self._endpoints) if is_last else progress.due(self._endpoints, now)
        async with asyncio.TaskGroup() as group:
            for one in due:
                group.create_task(
                    self._lanes[one.name].send(event.event_id, body, progress), name=f"webhook {one.name}"
                )
        await self._settle(delivery, progress)

    async def _settle(self, delivery: Delivery, progress: Progress) -> None:
        """Acknowledge, postpone or bury an event, by the outcome at every endpoint."""
        due_at, now = progress.next_due_at(self._endpoints), self._clock.wall()
        wait_s = None if due_at is None else self._deadline.next_s(delivery.published_at, now, due_at)
        if wait_s is not None:
            self._open.pop(delivery.position, None)  # it may come again before the call returns
            await self._persistently(lambda: self._subscription.postpone(delivery.position, wait_s))
        elif due_at is not None or progress.gone:
            await self._bury(delivery, progress, progress.reason(self._endpoints))
        else:
            await self._acknowledge([delivery.position])
            self._memory.forget(delivery.event)
            self._metrics.done("delivered")

    async def _acknowledge(self, positions: Collection[str]) -> None:
        await self._persistently(lambda: self._subscription.acknowledge(positions))

    async def _bury(self, delivery: Delivery, progress: Progress, reason: str) -> None:
        event = delivery.event
        await self._persistently(lambda: self._subscription.bury(delivery, reason))
        progress.begin_again()  # for the case that an operator retries it
        self._metrics.done("dead")
        _log.error(
            "webhook is dead",
            reason=reason,
            event_id=event.event_id,
            tenant_id=event.tenant,
            session_id=event.session_id,
        )

    async def _persistently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return the result of a call to the log, however long the log is away. Raises `LeaseLost`."""
        failures = 0
        while True:
            try:
                return await call()
            except Transient as error:
                failures += 1
                if failures == 1:
                    _log.warning("event logs failed", **error_fields(error))
                await asyncio.sleep(_BACKOFF.delay_s(failures, self._uniform))
