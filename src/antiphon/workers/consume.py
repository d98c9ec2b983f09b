"""The loop of a consumer group: takes events, has them processed, and settles them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from antiphon.entities.events import Delivery
from antiphon.errors import AntiphonError, LeaseLost, Permanent, Transient
from antiphon.observe.event_metrics import ConsumerMetrics
from antiphon.observe.failures import error_fields
from antiphon.ports.event_consumer import EventHandler
from antiphon.ports.event_logs import Subscription
from antiphon.resilience.backoff import Backoff

_log = structlog.get_logger(__name__)

_BACKOFF = Backoff(base_s=0.2, cap_s=5.0)
_LEAVE_S = 2.0


@dataclass(frozen=True, slots=True)
class ConsumerOptions:
    """Options of a consumer."""

    heartbeat_s: float
    """Interval of heartbeats; a third of the lease is right."""
    batch: int = 200
    """Most events processed together."""
    idle_s: float = 0.5
    """Wait when there is no event."""
    most_deliveries: int = 5
    """An event that was delivered so often without an outcome becomes a dead one: it may have killed its consumers."""


class EventConsumer:
    """One consumer of a group.

    While its handler fails for a transient reason it keeps its events and tries again, so that their order stays.
    """

    def __init__(
        self,
        group: str,
        subscription: Subscription,
        handler: EventHandler,
        options: ConsumerOptions,
        metrics: ConsumerMetrics,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self._group = group
        self._subscription = subscription
        self._handler = handler
        self._options = options
        self._metrics = metrics
        self._uniform = uniform

    async def run(self) -> None:
        """Process events until cancelled; what is not processed then goes to another consumer."""
        failures = 0
        try:
            while True:
                try:
                    if not await self._round():
                        await asyncio.sleep(self._options.idle_s)
                    failures = 0
                except LeaseLost:
                    _log.warning("another consumer took over", group=self._group)
                except Transient as error:
                    failures += 1
                    if failures == 1:
                        _log.warning("event logs failed", group=self._group, **error_fields(error))
                    await self._leave()  # what was not settled comes again
                    await asyncio.sleep(_BACKOFF.delay_s(failures, self._uniform))
        finally:
            await self._leave()

    async def _leave(self) -> None:
        with suppress(Transient, TimeoutError):  # then its lease runs out
            async with asyncio.timeout(_LEAVE_S):
                await self._subscription.leave()

    async def _round(self) -> int:
        """Take events and process them; return their number."""
        taken = await self._subscription.take(self._options.batch)
        if taken:
            await self._under_lease(taken)
        return len(taken)

    async def _under_lease(self, taken: Sequence[Delivery]) -> None:
        """Process events with heartbeats; ends with `LeaseLost` as soon as another consumer is active."""
        work = asyncio.ensure_future(self._process(taken))
        heartbeats = asyncio.ensure_future(self._beat())
        try:
            done, _ = await asyncio.wait({work, heartbeats}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (work, heartbeats):
                task.cancel()
            await asyncio.gather(work, heartbeats, return_exceptions=True)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._options.heartbeat_s)
            try:
                await self._subscription.renew()
            except Transient as error:  # the work continues: if another consumer is active, settling tells
                _log.warning("heartbeat of a consumer failed", group=self._group, **error_fields(error))

    async def _process(self, taken: Sequence[Delivery]) -> None:
        worn = [one for one in taken if one.attempt > self._options.most_deliveries]
        for one in worn:
            await self._bury(one, f"delivered {one.attempt - 1} times without an outcome")
        fit = [one for one in taken if one.attempt <= self._options.most_deliveries]
        if fit:
            await self._handle(fit)
            await self._subscription.acknowledge([one.position for one in fit])
            self._metrics.processed(self._group, len(fit))

    async def _handle(self, deliveries: Sequence[Delivery]) -> None:
        """Have events processed, each alone if they are refused together."""
        failures = 0
        while True:
            try:
                await self._handler([one.event for one in deliveries])
            except Transient as error:
                failures += 1
                self._failed(error, failures)
                await asyncio.sleep(_BACKOFF.delay_s(failures, self._uniform))
            except Permanent as error:
                self._metrics.failed(self._group)
                if len(deliveries) == 1:
                    await self._bury(deliveries[0], f"{type(error).__name__}: {error.message}")
                else:
                    for one in deliveries:
                        await self._handle([one])
                return
            else:
                return

    def _failed(self, error: AntiphonError, failures: int) -> None:
        self._metrics.failed(self._group)
        if failures & (failures - 1) == 0:  # the 1st, 2nd, 4th, 8th …
            _log.warning(
                "events not processed, will retry", group=self._group, failures=failures, **error_fields(error)
            )

    async def _bury(self, delivery: Delivery, reason: str) -> None:
        await self._subscription.bury(delivery, reason)
        self._metrics.dead(self._group)
        event = delivery.event
        _log.error(
            "event is dead",
            group=self._group,
            reason=reason,
            event_id=event.event_id,
            tenant_id=event.tenant,
            session_id=event.session_id,
        )
