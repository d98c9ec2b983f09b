"""``metrics.md``: what ``/metrics`` shows."""

from __future__ import annotations

from prometheus_client.metrics import MetricWrapperBase

from antiphon.app.roles import GATEWAY, all_parts, all_roles
from antiphon.observe import metrics
from antiphon.observe.metrics import Metrics
from generators.page import code, page, table

_INTRODUCTION = (
    "`/metrics` shows these in Prometheus' text format. Labels have values from closed lists only; whatever is on "
    f"no list counts as `{metrics.OTHER}`, so that no client can make new time series; but for `stream_id`, "
    "whose series go with their stream (where keys are configured it is no id, but a name that tells other keys "
    "nothing). `endpoint` is a kind and an "
    "engine that the settings name, as in `llm:openai`. Counters end in `_total`, histograms have `_bucket`, "
    "`_sum` and `_count`."
)
_LABELS = {
    "door": metrics.DOORS,
    "queue": all_roles() - {GATEWAY},
    "outcome": metrics.OUTCOMES,
    "limit": metrics.LIMITS,
    "area": metrics.AREAS,
    "type": metrics.ERROR_TYPES,
}


def render() -> str:
    """Return the page."""
    made = Metrics()
    for part in all_parts().values():
        for measures in part.metrics():
            measures(made.registry)
    rows = [_row(metric) for metric in _collectors(made)]
    labels = [(code(name), ", ".join(code(value) for value in sorted(values))) for name, values in _LABELS.items()]
    return page(
        "Metrics",
        _INTRODUCTION,
        table(("metric", "kind", "labels", "meaning"), sorted(rows)),
        "## Labels",
        table(("label", "values"), labels),
    )


def _collectors(made: Metrics) -> set[MetricWrapperBase]:
    # the registry offers no public way to its collectors
    known = made.registry._collector_to_names  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] -- as said
    return {collector for collector in known if isinstance(collector, MetricWrapperBase)}


def _row(metric: MetricWrapperBase) -> tuple[str, str, str, str]:
    (family,) = metric.describe()
    labels = metric._labelnames  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] -- only samples show them
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return code(name), family.type, ", ".join(code(label) for label in labels), family.documentation
