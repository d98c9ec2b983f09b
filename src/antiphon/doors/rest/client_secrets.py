"""``POST /v1/realtime/client_secrets``: keys for browsers, each bound to a session."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar, get_args

import msgspec
from litestar import post
from litestar.params import Body
from msgspec.structs import asdict

from antiphon.doors.access.client_secrets import DEFAULT_TTL_S, IssuedSecret
from antiphon.doors.rest.services import RestRequest, identity_of, services_of
from antiphon.errors import InvalidRequest
from antiphon.ids import new_id
from antiphon.text.quoting import quoted
from antiphon.wire.realtime_session import RealtimeUpdate, TranscriptionUpdate
from antiphon.wire.secrets import (
    NO_BOUNDS,
    ClientSecret,
    ClientSecretRequest,
    ExpiresAfter,
    ListeningField,
    SecretBounds,
    SecretBoundsWish,
    SessionSecretBounds,
    TranslationSecret,
    TranslationSecretRequest,
)
from antiphon.wire.translation import TranslationSession

TRANSLATION_SESSION_S = 3600

B = TypeVar("B", bound=SecretBounds)


@post("/v1/realtime/client_secrets", status_code=200, summary="Make a client secret", tags=["realtime"])
async def create_client_secret(
    request: RestRequest, data: Annotated[ClientSecretRequest | None, Body()] = None
) -> ClientSecret:
    """Make a short-lived key that opens realtime sessions with this configuration.

    A web page may hold it. It can be used until it expires (10 minutes unless asked otherwise), or as often as
    `antiphon.uses` says; sessions go on.
    """
    wish = data or ClientSecretRequest()
    session = wish.session or RealtimeUpdate()
    described = services_of(request).describe_session(session)
    bounds = _bounds(wish.antiphon, SessionSecretBounds)
    if isinstance(session, TranscriptionUpdate) and (foreign := set(bounds.locked) - set(get_args(ListeningField))):
        raise InvalidRequest(
            f"A transcription session has no {quoted(min(foreign))} that could be locked.", param="antiphon.locked"
        )
    issued = issue(request, session, wish.expires_after, kind=str(session.__struct_config__.tag), bounds=bounds)
    return ClientSecret(issued.value, issued.expires_at, described, bounds)


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
    bounds = _bounds(data.antiphon, SecretBounds)
    sealed = SessionSecretBounds(**asdict(bounds))
    issued = issue(request, data.session, data.expires_after, kind=data.session.type, bounds=sealed)
    session = TranslationSession(
        id=new_id("sess"),
        model=data.session.model,
        expires_at=int(services_of(request).clock.wall()) + TRANSLATION_SESSION_S,
        audio=data.session.audio,
    )
    return TranslationSecret(issued.value, issued.expires_at, session, bounds)


def _bounds(wish: SecretBoundsWish | None, kind: type[B]) -> B:
    """Return what a secret is bound to, where a wish says nothing as by default."""
    asked = {} if wish is None else asdict(wish)
    return kind(**{name: value for name, value in asked.items() if value is not None})


def issue(
    request: RestRequest,
    session: Any,
    expires: ExpiresAfter | None,
    *,
    kind: str,
    bounds: SessionSecretBounds = NO_BOUNDS,
    default_ttl_s: int = DEFAULT_TTL_S,
) -> IssuedSecret:
    """Make a secret of the caller's key; it carries ``session`` as the client asked for it, as JSON."""
    services, issuer = services_of(request), identity_of(request)
    ttl_s = (expires.seconds if expires else None) or default_ttl_s
    content = msgspec.json.encode(session)
    now = services.clock.wall()
    return services.ephemeral.issue(content, issuer.tenant, ttl_s, now, issuer=issuer.key_id, kind=kind, bounds=bounds)
