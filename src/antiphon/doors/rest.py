"""The REST application: routes, limits, and the guard before them."""

from __future__ import annotations

from litestar import Litestar
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler

from antiphon.doors.guard import AsgiApp, Guard
from antiphon.doors.health import health, metrics, ready
from antiphon.doors.legacy_sessions import create_legacy_session, create_legacy_transcription_session
from antiphon.doors.models import get_model, list_models, list_voices
from antiphon.doors.openapi import docs_page, openapi_json
from antiphon.doors.patience import Patience
from antiphon.doors.rest_errors import HANDLERS
from antiphon.doors.secrets import create_client_secret, create_translation_secret
from antiphon.doors.services import RestServices
from antiphon.doors.speech import create_speech
from antiphon.doors.transcriptions import create_transcription, create_translation

MAX_JSON_BYTES = 2**20
"""Largest body of everything but uploads."""

OPERATION_ROUTES: tuple[HTTPRouteHandler, ...] = (health, ready, metrics)
"""What every process answers, whatever its role."""

API_ROUTES: tuple[HTTPRouteHandler, ...] = (
    create_speech,
    create_transcription,
    create_translation,
    list_models,
    get_model,
    list_voices,
    create_client_secret,
    create_translation_secret,
    create_legacy_session,
    create_legacy_transcription_session,
    *OPERATION_ROUTES,
)
"""What the OpenAPI document describes."""


def build_rest(services: RestServices, routes: tuple[HTTPRouteHandler, ...] = API_ROUTES) -> AsgiApp:
    """Return REST doors, by default all of them, as one ASGI app."""
    app = Litestar(
        route_handlers=[*routes, openapi_json, docs_page],
        state=State({"services": services, "api_routes": routes}),
        exception_handlers=HANDLERS,
        openapi_config=None,
        request_max_body_size=MAX_JSON_BYTES,
        multipart_form_part_limit=1000,
        logging_config=None,
    )
    origins = services.allowed_origins
    return Patience(Guard(app, services.access, services.metrics, allowed_origins=origins))
