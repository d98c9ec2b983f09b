"""``/health``, ``/ready`` and ``/metrics``: how this process is."""

from __future__ import annotations

from typing import Any

from litestar import Response, get

from antiphon.doors.services import RestRequest, services_of
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
    """Answer 200 as long as the process serves; says which engines are configured."""
    services = services_of(request)
    engines = services.engines
    providers = {field: engines[kind].name if kind in engines else None for field, kind in _PROVIDER_FIELDS.items()}
    return {
        "status": "ok",
        "service": "antiphon",
        "version": services.version,
        "async_ext": True,
        "asr_enabled": "stt" in engines,
        **providers,
    }


@get(
    "/ready",
    summary="Should it be sent work?",
    tags=["operation"],
    opt={"answers": {JSON: (dict[str, Any],)}, "statuses": {"503": dict[str, Any]}},
)
async def ready(request: RestRequest) -> Response[dict[str, Any]]:
    """Answer 200, or 503 while engines load and while the process drains."""
    state = services_of(request).readiness()
    status = "draining" if state.draining else "ready" if state.ready else "starting"
    body = {"status": status, "checks": dict(state.checks)}
    if status == "ready":
        return Response(body)
    return Response(body, status_code=503, headers={"retry-after": "1"})


@get("/metrics", summary="Metrics for Prometheus", tags=["operation"], opt={"answers": {CONTENT_TYPE: (str,)}})
async def metrics(request: RestRequest) -> Response[bytes]:
    """Return all metrics in Prometheus' text format."""
    return Response(services_of(request).metrics.render(), media_type=CONTENT_TYPE)
