"""``/health``, ``/ready`` and ``/metrics``: how this process is."""

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
    """What ``/ready`` may be asked besides."""

    verbose: Annotated[str, msgspec.Meta(description="`1` adds how each remote engine is.")] = ""


async def health(services: OperationServices, call: Call[None, Any]) -> dict[str, Any]:
    """Answer 200 as long as the process serves; says which engines are asked to who may use them.

    The status is ``ok``, ``degraded`` where something that it needs does not work, or ``draining``.
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
    """Return the engine that is asked first; where it is loaded elsewhere, the one that is configured."""
    if kind in state.engines:
        return next((name for name, how in state.engines[kind].items() if how == "ok"), None)
    return services.engines.get(kind)


def _is_known(services: OperationServices, call: Call[None, Any]) -> bool:
    """Say whether it came with a key, where keys are configured; a client secret is a web page's."""
    try:
        return not services.access.admit(Credentials.of_scope(call.scope)).is_ephemeral
    except AntiphonError:
        return False


async def ready(services: OperationServices, call: Call[None, ReadyQuery]) -> Whole:
    """Answer 200, or 503 while the process drains, or its database, Redis or all engines of a kind do not work.

    Says which to who may use them, and how each engine is. With `?verbose=1` it also says of each remote engine whether
    it was well when it was last asked: `true`, `false`, or `null` before the first time.
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
    """Return all metrics in Prometheus' text format."""
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
