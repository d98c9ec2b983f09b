"""``/v1/analytics``: latencies and counters of the caller's own tenant."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from antiphon.clock import Clock
from antiphon.doors.http.route import JSON, AnyRoute, Call, Route
from antiphon.entities.analytics import LATENCY_NAMES, LatencyName
from antiphon.errors import InvalidRequest, ProviderBusy, ProviderUnavailable
from antiphon.ports.analytics import Analytics
from antiphon.text.quoting import quoted
from antiphon.wire.analytics import CountList, LatencyEntry, LatencyList, LatencyQuery, WindowQuery

_DEFAULT_WINDOW_S = 86_400.0


@dataclass(frozen=True, slots=True)
class AnalyticsServices:
    """Everything that these routes use."""

    analytics: Analytics
    clock: Clock


async def list_latencies(services: AnalyticsServices, call: Call[None, LatencyQuery]) -> LatencyList:
    """Return count, percentiles and maximum of each latency in a window, interpolated linearly between values."""
    since, until = _window(call.query, services.clock)
    metrics = _metrics(call.query.metric)
    found = await services.analytics.latencies(call.identity.tenant, since, until, metrics)
    entries = [msgspec.convert(one, LatencyEntry, from_attributes=True) for one in found]
    return LatencyList(since=since, until=until, data=entries)


async def list_counts(services: AnalyticsServices, call: Call[None, WindowQuery]) -> CountList:
    """Return every counter in a window."""
    since, until = _window(call.query, services.clock)
    found = await services.analytics.counts(call.identity.tenant, since, until)
    return CountList(since=since, until=until, data=dict(found))


def _window(query: WindowQuery, clock: Clock) -> tuple[float, float]:
    until = clock.wall() if query.until is None else query.until
    since = max(0.0, until - _DEFAULT_WINDOW_S) if query.since is None else query.since
    if since < until:
        return since, until
    param = "until" if query.since is None else "since"
    raise InvalidRequest("'since' must be earlier than 'until', which is now by default.", param=param)


def _metrics(name: str | None) -> tuple[LatencyName, ...]:
    if name is None:
        return LATENCY_NAMES
    found: tuple[LatencyName, ...] = tuple(metric for metric in LATENCY_NAMES if metric == name)
    if not found:
        message = f"Unknown metric {quoted(name)}; choose from {', '.join(LATENCY_NAMES)}."
        raise InvalidRequest(message, param="metric")
    return found


_ERRORS = (InvalidRequest, ProviderBusy, ProviderUnavailable)

ROUTES: tuple[AnyRoute, ...] = (
    Route(
        "GET", "/v1/analytics/latencies", list_latencies, "Get percentiles of latencies", "analytics",
        {JSON: (LatencyList,)}, query=LatencyQuery, errors=_ERRORS,
    ),
    Route(
        "GET", "/v1/analytics/counts", list_counts, "Get counters", "analytics",
        {JSON: (CountList,)}, query=WindowQuery, errors=_ERRORS,
    ),
)  # fmt: skip
"""Their services are `AnalyticsServices`."""
