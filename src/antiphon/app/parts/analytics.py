"""Analytics: events become rows, and their figures can be read over REST."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from antiphon.app.part import Added, Part
from antiphon.app.services import Services
from antiphon.entities.events import ANALYTICS, ANALYTICS_WORKERS

if TYPE_CHECKING:  # a process imports only the code of its own roles
    from antiphon.store.analytics import SqlAnalytics
    from antiphon.workers.analyse import Analyser


def make_analytics(services: Services) -> SqlAnalytics:
    """Return the rows of events."""
    from antiphon.store.analytics import SqlAnalytics

    return SqlAnalytics(services.rows.store)


def make_analyser(services: Services) -> Analyser:
    """Return the handler that makes rows of events."""
    from antiphon.observe.analytics_metrics import AnalyticsMetrics
    from antiphon.workers.analyse import Analyser

    return Analyser(services.once(make_analytics), services.measures(AnalyticsMetrics))


def _door(services: Services) -> Added:
    from antiphon.doors.analytics.routes import ROUTES, AnalyticsServices
    from antiphon.doors.http.route import bound

    return Added(routes=bound(ROUTES, AnalyticsServices(services.once(make_analytics), services.clock)))


def _work(services: Services) -> Added:
    from antiphon.app.consumers import consumer

    return Added(tasks={"analyse events": consumer(services, ANALYTICS, ANALYTICS_WORKERS, make_analyser(services))})


def _metrics() -> Sequence[Any]:
    from antiphon.observe.analytics_metrics import AnalyticsMetrics

    return (AnalyticsMetrics,)


PART = Part(adds={"gateway": _door, "analyse": _work}, metrics=_metrics)
