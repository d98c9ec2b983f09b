"""The REST application: routes, limits, and the guard before them."""

from __future__ import annotations

from typing import Any

from litestar import Litestar, Request
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler

from antiphon.doors.access.middleware import OPEN_PATHS, AsgiApp, Guard
from antiphon.doors.access.timeouts import Patience
from antiphon.doors.rest.client_secrets import create_client_secret, create_translation_secret
from antiphon.doors.rest.health import health, metrics, ready
from antiphon.doors.rest.legacy_sessions import create_legacy_session, create_legacy_transcription_session
from antiphon.doors.rest.litestar_errors import HANDLERS
from antiphon.doors.rest.models import get_model, list_models, list_voices, pick_voices
from antiphon.doors.rest.openapi import openapi_json
from antiphon.doors.rest.pages import docs_page, start_page
from antiphon.doors.rest.services import RestRequest, RestServices
from antiphon.doors.rest.speech import create_speech
from antiphon.doors.rest.transcriptions import create_transcription, create_translation
from antiphon.doors.websocket.large_events import walked
from antiphon.errors import InvalidRequest
from antiphon.text.json_size import MOST_VALUES
from antiphon.wire.event_scan import Scan, TooMuch

MAX_JSON_BYTES = 2**20
"""Largest body of everything but uploads."""
_BODIES = frozenset({"application/json", "multipart/form-data"})


class BoundedRequest(Request[None, None, State]):
    """A request whose JSON is counted before it is decoded: a megabyte of empty lists takes a tenth of a second."""

    async def json(self) -> Any:
        """Return the body as JSON. Raises `InvalidRequest`, which names the field that has too many values."""
        body = await self.body()
        if len(body) > MOST_VALUES:
            try:
                await walked(Scan(body, ""))
            except TooMuch as error:
                raise InvalidRequest(str(error), code=error.code, param=error.param) from error
        return await super().json()


OPERATION_ROUTES: tuple[HTTPRouteHandler, ...] = (health, ready, metrics)
"""What every process answers, whatever its role."""

API_ROUTES: tuple[HTTPRouteHandler, ...] = (
    create_speech,
    create_transcription,
    create_translation,
    list_models,
    get_model,
    list_voices,
    pick_voices,
    create_client_secret,
    create_translation_secret,
    create_legacy_session,
    create_legacy_transcription_session,
    *OPERATION_ROUTES,
)
"""What the OpenAPI document describes."""

METHODS = frozenset(str(method) for route in API_ROUTES for method in route.http_methods)
"""Of all routes. Socket.IO, which polls, has no others."""


def build_rest(services: RestServices, routes: tuple[HTTPRouteHandler, ...] = API_ROUTES) -> AsgiApp:
    """Return REST doors, by default all of them, as one ASGI app."""
    app = Litestar(
        route_handlers=[*routes, openapi_json, docs_page, start_page],
        state=State({"services": services, "api_routes": routes}),
        exception_handlers=HANDLERS,
        openapi_config=None,
        request_class=BoundedRequest,
        before_request=_check_body,
        request_max_body_size=MAX_JSON_BYTES,
        multipart_form_part_limit=1000,
        logging_config=None,
    )
    return Patience(Guard(app, services.access, services.metrics))


async def _check_body(request: RestRequest) -> None:
    """Refuse a body that a page can send anywhere without asking: a form, plain text, or one without a type."""
    headers = request.headers
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _BODIES and request.url.path not in OPEN_PATHS:
        raise InvalidRequest(
            "Send the body as application/json, or as multipart/form-data where there is a file.",
            code="invalid_content_type",
            param="content-type",
        )
