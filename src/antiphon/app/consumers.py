"""The consumer groups of this process."""

from __future__ import annotations

from antiphon.app.services import EndlessTask, Services, process_id
from antiphon.entities.events import Log
from antiphon.observe.event_metrics import ConsumerMetrics
from antiphon.ports.event_consumer import EventHandler
from antiphon.workers.consume import ConsumerOptions, EventConsumer


def consumer(services: Services, log: Log, group: str, handler: EventHandler) -> EndlessTask:
    """Return the task that has the events of a log processed as one consumer of a group."""
    subscription = services.event_logs.subscribe(log, group, process_id(group))
    options = ConsumerOptions(heartbeat_s=services.settings.bus_lease_s / 3)
    return EventConsumer(group, subscription, handler, options, services.measures(ConsumerMetrics)).run
