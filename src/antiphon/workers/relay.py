"""The relay: brings events from the outbox to their logs, for ever, in the order of each session."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog

from antiphon.entities.events import Log, PendingEvent
from antiphon.errors import InvalidRequest, Transient
from antiphon.observe.event_metrics import RelayMetrics
from antiphon.observe.failures import error_fields
from antiphon.ports.event_logs import EventLogs
from antiphon.ports.outbox import Outbox
from antiphon.resilience.backoff import Backoff

_log = structlog.get_logger(__name__)

BATCH = 200
_MOST_MORE = 1_000
"""Most events that are read in addition to a batch."""
_IDLE_S = 0.5
_LOOK_S = 5.0
"""Interval of the metrics."""
_BACKOFF = Backoff(base_s=0.2, cap_s=5.0)
_HOLD_S = 0.1
"""First wait for the missing predecessor of an event; it doubles each time."""
_MOST_HOLD_S = 2.0
MOST_HOLDS = 35
"""Waits for it, about 60 s in all: then it counts as lost, such as one that a full buffer has dropped."""


def hold_s(attempts: int) -> float:
    """Return the next wait for a predecessor after so many."""
    return min(_MOST_HOLD_S, _HOLD_S * 2.0 ** min(attempts, 10))


def in_order(
    pending: Sequence[PendingEvent], delivered: Mapping[tuple[str, str], int]
) -> tuple[list[PendingEvent], list[PendingEvent]]:
    """Return the events that may be published, in their order, and those whose predecessor is missing.

    ``delivered`` has the last delivered number of each session. An event that was held `MOST_HOLDS` times is let go.
    """
    sessions: dict[tuple[str, str], list[PendingEvent]] = defaultdict(list)
    for one in pending:
        sessions[one.event.tenant, one.event.session_id].append(one)
    ready: list[PendingEvent] = []
    early: list[PendingEvent] = []
    for key, own in sessions.items():
        last = delivered.get(key, 0)
        for one in sorted(own, key=lambda one: (one.event.session_sequence, one.row_id)):
            number = one.event.session_sequence
            if number <= last + 1 or one.attempts >= MOST_HOLDS:
                ready.append(one)
                last = max(last, number)
            else:
                early.append(one)
    return ready, early


def _sessions(pending: Iterable[PendingEvent]) -> set[tuple[str, str]]:
    return {(one.event.tenant, one.event.session_id) for one in pending}


class Relay:
    """Publishes the events of an outbox. Several relays may run: an event that two publish has one effect."""

    def __init__(
        self,
        outbox: Outbox,
        logs: EventLogs,
        metrics: RelayMetrics,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self._outbox = outbox
        self._logs = logs
        self._metrics = metrics
        self._uniform = uniform

    async def run(self, log: Log) -> None:
        """Relay the events of one log until cancelled, however long the log or the database is away."""
        failures = 0
        while True:
            try:
                if not await self.step(log):
                    await asyncio.sleep(_IDLE_S)
            except Transient as error:
                failures += 1
                if failures == 1:
                    _log.warning("relay failed, will retry", log=log, **error_fields(error))
                await asyncio.sleep(_BACKOFF.delay_s(failures, self._uniform))
            else:
                if failures:
                    _log.info("relay recovered", log=log, failures=failures)
                failures = 0

    async def step(self, log: Log) -> bool:
        """Publish one batch; return whether there may be more at once. Raises `Transient`."""
        pending = await self._outbox.pending_events(log, BATCH)
        sessions = _sessions(one for one in pending if one.event.session_sequence > 1)
        delivered = await self._outbox.delivered_until(log, sessions)
        ready, early = in_order(pending, delivered)
        if early:  # their predecessors may have been committed later: look for them
            more = await self._outbox.pending_of(log, _sessions(early), _MOST_MORE)
            rows = {one.row_id: one for one in (*pending, *more)}
            ready, early = in_order(list(rows.values()), delivered)
        if ready:
            await self._publish(log, ready)
        if early:
            await self._outbox.postpone([(one.row_id, hold_s(one.attempts)) for one in early])
        return len(pending) == BATCH

    async def _publish(self, log: Log, ready: Sequence[PendingEvent]) -> None:
        try:
            await self._logs.publish(log, [one.event for one in ready])
        except InvalidRequest as error:
            if len(ready) > 1:
                for one in ready:
                    await self._publish(log, [one])
                return
            await self._outbox.mark_refused([ready[0].row_id])
            _log.error("event refused by its log", event_id=ready[0].event.event_id, **error_fields(error))
        else:
            await self._outbox.mark_delivered([one.row_id for one in ready])
            self._metrics.published(log, len(ready))

    async def watch(self) -> None:
        """Keep the metrics up to date, until cancelled."""
        while True:
            try:
                for row in await self._outbox.undelivered():
                    self._metrics.outbox(row.log, row.count, row.oldest_s)
                for lag in await self._logs.lags():
                    self._metrics.group(lag.log, lag.group, lag.unread, lag.pending, lag.oldest_s)
            except Transient as error:
                _log.warning("lag of events unavailable", **error_fields(error))
            await asyncio.sleep(_LOOK_S)
