"""``/health``, ``/ready`` and ``/metrics``: how this process is."""

from __future__ import annotations

from typing import Any

from litestar import Response, get

from antiphon.doors.access.authentication import Credentials
from antiphon.doors.rest.services import Readiness, RestRequest, RestServices, services_of
from antiphon.errors import AntiphonError
from antiphon.observe.metrics import CONTENT_TYPE

JSON = "application/json"
_PROVIDER_FIELDS = {
    "asr_provider": "stt",
    "llm_provider": "llm",
    "tts_provider": "tts",
    "translation_provider": "translation",
    "vad_provider": "vad",
}


@get("/health", summary="Is the process alive?", tags=["operation"])
async def health(request: RestRequest) -> dict[str, Any]:
    """Answer 200 as long as the process serves; says which engines are asked to who may use them.

    The status is ``ok``, ``degraded`` where something that it needs does not work, or ``draining``.
    """
    services = services_of(request)
    state = await services.readiness()
    body: dict[str, Any] = {"status": "draining" if state.draining else "ok" if state.ready else "degraded"}
    if not _is_known(request):
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


def _provider(kind: str, services: RestServices, state: Readiness) -> str | None:
    """Return the engine that is asked first; where it is loaded elsewhere, the one that is configured."""
    if kind in state.engines:
        return next((name for name, how in state.engines[kind].items() if how == "ok"), None)
    return services.engines[kind].name if kind in services.engines else None


def _is_known(request: RestRequest) -> bool:
    """Say whether it came with a key, where keys are configured; a client secret is a web page's."""
    try:
        return not services_of(request).access.admit(Credentials.of_scope(request.scope)).is_ephemeral
    except AntiphonError:
        return False


@get(
    "/ready",
    summary="Should it be sent work?",
    tags=["operation"],
    opt={"answers": {JSON: (dict[str, Any],)}, "statuses": {"503": dict[str, Any]}},
)
async def ready(request: RestRequest) -> Response[dict[str, Any]]:
    """Answer 200, or 503 while the process drains, or its database, Redis or all engines of a kind do not work.

    Says which to who may use them, and how each engine is. With `?verbose=1` it also says of each remote engine whether
    it was well when it was last asked: `true`, `false`, or `null` before the first time.
    """
    state = await services_of(request).readiness()
    status = "draining" if state.draining else "ready" if state.ready else "not_ready"
    body: dict[str, Any] = {"status": status}
    if _is_known(request):
        body["checks"] = dict(state.checks)
        body["engines"] = {kind: dict(engines) for kind, engines in state.engines.items()}
        if request.query_params.get("verbose") == "1":
            body["services"] = dict(state.services)
    if status == "ready":
        return Response(body)
    return Response(body, status_code=503, headers={"retry-after": "1"})


@get("/metrics", summary="Metrics for Prometheus", tags=["operation"], opt={"answers": {CONTENT_TYPE: (str,)}})
async def metrics(request: RestRequest) -> Response[bytes]:
    """Return all metrics in Prometheus' text format."""
    return Response(services_of(request).metrics.render(), media_type=CONTENT_TYPE)
