"""``/health``, ``/ready`` and ``/metrics``: the state of this process."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from antiphon.doors.access.authentication import Credentials
from antiphon.doors.http.responses import Whole
from antiphon.doors.http.route import JSON, AnyRoute, Call, Route
from antiphon.doors.operation.services import OperationServices, Readiness
from antiphon.errors import AntiphonError
from antiphon.observe.metrics import CONTENT_TYPE

_PROVIDER_FIELDS = {
    "asr_provider": "stt",
    "llm_provider": "llm",
    "tts_provider": "tts",
    "translation_provider": "translation",
    "vad_provider": "vad",
}


class ReadyQuery(msgspec.Struct, frozen=True):
    """The query of ``/ready``."""

    verbose: Annotated[str, msgspec.Meta(description="`1` adds the state of each remote engine.")] = ""


async def health(services: OperationServices, call: Call[None, Any]) -> dict[str, Any]:
    """Answer 200 as long as the process serves; callers with a key also see the engines.

    The status is ``ok``, ``degraded`` if a dependency does not work, or ``draining``.
    """
    state = await services.readiness()
    body: dict[str, Any] = {"status": "draining" if state.draining else "ok" if state.ready else "degraded"}
    if not _is_known(services, call):
        return body
    providers = {field: _provider(kind, services, state) for field, kind in _PROVIDER_FIELDS.items()}
    return {
        **body,
        "service": "antiphon",
        "version": services.version,
        "async_ext": True,
        "asr_enabled": providers["asr_provider"] is not None,
        **providers,
    }


def _provider(kind: str, services: OperationServices, state: Readiness) -> str | None:
    """Return the first engine that works; if the kind is loaded by other processes, the configured one."""
    if kind in state.engines:
        return next((name for name, how in state.engines[kind].items() if how == "ok"), None)
    return services.engines.get(kind)


def _is_known(services: OperationServices, call: Call[None, Any]) -> bool:
    """Return whether the caller is admitted; client secrets do not count, as web pages hold them."""
    try:
        return not services.access.admit(Credentials.of_scope(call.scope)).is_ephemeral
    except AntiphonError:
        return False


async def ready(services: OperationServices, call: Call[None, ReadyQuery]) -> Whole:
    """Answer 200, or 503 while the process drains, or if its database, Redis or all engines of a kind do not work.

    Callers with a key see the checks and the state of each engine. `?verbose=1` adds the result of the last check of
    each remote engine: `true`, `false`, or `null` before the first one.
    """
    state = await services.readiness()
    status = "draining" if state.draining else "ready" if state.ready else "not_ready"
    body: dict[str, Any] = {"status": status}
    if _is_known(services, call):
        body["checks"] = dict(state.checks)
        body["engines"] = {kind: dict(engines) for kind, engines in state.engines.items()}
        if call.query.verbose == "1":
            body["services"] = dict(state.services)
    encoded = msgspec.json.encode(body)
    if status == "ready":
        return Whole(encoded, JSON)
    return Whole(encoded, JSON, status=503, headers={"retry-after": "1"})


async def metrics(services: OperationServices, call: Call[None, Any]) -> bytes:
    """Return all metrics in the text format of Prometheus."""
    return services.metrics.render()


_ANY = {JSON: (dict[str, Any],)}

ROUTES: tuple[AnyRoute, ...] = (
    Route("GET", "/health", health, "Is the process alive?", "operation", _ANY, access="open"),
    Route(
        "GET", "/ready", ready, "Should it be sent work?", "operation", _ANY,
        query=ReadyQuery, other_answers={503: dict[str, Any]}, access="open",
    ),
    Route("GET", "/metrics", metrics, "Metrics for Prometheus", "operation", {CONTENT_TYPE: (str,)}),
)  # fmt: skip
