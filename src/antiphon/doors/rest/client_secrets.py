"""``POST /v1/realtime/client_secrets``: keys for browsers, each bound to a session."""

from __future__ import annotations

from typing import Any, TypeVar, get_args

import msgspec
from msgspec.structs import asdict

from antiphon.doors.access.authentication import Identity
from antiphon.doors.access.client_secrets import DEFAULT_TTL_S, IssuedSecret
from antiphon.doors.http.bodies import JsonBody
from antiphon.doors.http.route import JSON, AnyRoute, Call, Route
from antiphon.doors.rest.services import RestServices
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


async def create_client_secret(services: RestServices, call: Call[ClientSecretRequest, Any]) -> ClientSecret:
    """Make a short-lived key that opens realtime sessions with this configuration.

    It is safe to give to a web page. It expires after 10 minutes unless asked otherwise, or after `antiphon.uses`
    sessions; open sessions continue.
    """
    wish = call.body
    session = wish.session or RealtimeUpdate()
    described = services.describe_session(session)
    bounds = _bounds(wish.antiphon, SessionSecretBounds)
    if isinstance(session, TranscriptionUpdate) and (foreign := set(bounds.locked) - set(get_args(ListeningField))):
        raise InvalidRequest(
            f"A transcription session has no {quoted(min(foreign))} that could be locked.", param="antiphon.locked"
        )
    kind = str(session.__struct_config__.tag)
    issued = issue(services, call.identity, session, wish.expires_after, kind=kind, bounds=bounds)
    return ClientSecret(issued.value, issued.expires_at, described, bounds)


async def create_translation_secret(
    services: RestServices, call: Call[TranslationSecretRequest, Any]
) -> TranslationSecret:
    """Make a short-lived key that opens speech translation sessions."""
    data = call.body
    bounds = _bounds(data.antiphon, SecretBounds)
    sealed = SessionSecretBounds(**asdict(bounds))
    issued = issue(services, call.identity, data.session, data.expires_after, kind=data.session.type, bounds=sealed)
    session = TranslationSession(
        id=new_id("sess"),
        model=data.session.model,
        expires_at=int(services.clock.wall()) + TRANSLATION_SESSION_S,
        audio=data.session.audio,
    )
    return TranslationSecret(issued.value, issued.expires_at, session, bounds)


def _bounds(wish: SecretBoundsWish | None, kind: type[B]) -> B:
    """Return the bounds of a secret; absent fields have their defaults."""
    asked = {} if wish is None else asdict(wish)
    return kind(**{name: value for name, value in asked.items() if value is not None})


def issue(
    services: RestServices,
    issuer: Identity,
    session: Any,
    expires: ExpiresAfter | None,
    *,
    kind: str,
    bounds: SessionSecretBounds = NO_BOUNDS,
    default_ttl_s: int = DEFAULT_TTL_S,
) -> IssuedSecret:
    """Issue a secret for ``issuer``; it carries the requested ``session`` as JSON."""
    ttl_s = (expires.seconds if expires else None) or default_ttl_s
    content = msgspec.json.encode(session)
    now = services.clock.wall()
    return services.ephemeral.issue(content, issuer.tenant, ttl_s, now, issuer=issuer.key_id, kind=kind, bounds=bounds)


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        "POST", "/v1/realtime/client_secrets", create_client_secret, "Make a client secret", "realtime",
        {JSON: (ClientSecret,)}, body=JsonBody(ClientSecretRequest, is_required=False), errors=(InvalidRequest,),
    ),
    Route(
        "POST", "/v1/realtime/translations/client_secrets", create_translation_secret,
        "Make a client secret for translation", "realtime",
        {JSON: (TranslationSecret,)}, body=JsonBody(TranslationSecretRequest), errors=(InvalidRequest,),
    ),
)  # fmt: skip
