"""``POST /v1/realtime/client_secrets``: keys for browsers, each bound to a session."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import post
from litestar.params import Body

from antiphon.doors.ephemeral import DEFAULT_TTL_S, IssuedSecret
from antiphon.doors.services import RestRequest, identity_of, services_of
from antiphon.ids import new_id
from antiphon.wire.realtime_session import RealtimeUpdate
from antiphon.wire.secrets import (
    ClientSecret,
    ClientSecretRequest,
    ExpiresAfter,
    TranslationSecret,
    TranslationSecretRequest,
)
from antiphon.wire.translation import TranslationSession

TRANSLATION_SESSION_S = 3600


@post("/v1/realtime/client_secrets", status_code=200, summary="Make a client secret", tags=["realtime"])
async def create_client_secret(
    request: RestRequest, data: Annotated[ClientSecretRequest | None, Body()] = None
) -> ClientSecret:
    """Make a short-lived key that opens realtime sessions with this configuration.

    A web page may hold it. It can be used until it expires (10 minutes unless asked otherwise); sessions go on.
    """
    wish = data or ClientSecretRequest()
    session = wish.session or RealtimeUpdate()
    described = services_of(request).describe_session(session)
    issued = issue(request, session, wish.expires_after)
    return ClientSecret(issued.value, issued.expires_at, described)


@post(
    "/v1/realtime/translations/client_secrets",
    status_code=200,
    summary="Make a client secret for translation",
    tags=["realtime"],
)
async def create_translation_secret(
    request: RestRequest, data: Annotated[TranslationSecretRequest, Body()]
) -> TranslationSecret:
    """Make a short-lived key that opens sessions which translate speech into speech."""
    issued = issue(request, data.session, data.expires_after)
    session = TranslationSession(
        id=new_id("sess"),
        model=data.session.model,
        expires_at=int(services_of(request).clock.wall()) + TRANSLATION_SESSION_S,
        audio=data.session.audio,
    )
    return TranslationSecret(issued.value, issued.expires_at, session)


def issue(
    request: RestRequest, session: Any, expires: ExpiresAfter | None, *, default_ttl_s: int = DEFAULT_TTL_S
) -> IssuedSecret:
    """Make a secret for the caller's tenant; it carries ``session`` as the client asked for it, as JSON."""
    services = services_of(request)
    ttl_s = (expires.seconds if expires else None) or default_ttl_s
    content = msgspec.json.encode(session)
    return services.ephemeral.issue(content, identity_of(request).tenant, ttl_s, services.clock.wall())
