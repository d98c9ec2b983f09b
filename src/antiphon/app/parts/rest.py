"""The speech API over REST."""

from __future__ import annotations

from antiphon.app.part import Added, Part
from antiphon.app.services import Services


def _door(services: Services) -> Added:
    from antiphon.app.gateway import Gateway
    from antiphon.conversation.session import describe
    from antiphon.doors.http.in_flight_bytes import WAITING_BYTES, ByteBudget
    from antiphon.doors.http.route import bound
    from antiphon.doors.rest.routes import API_ROUTES
    from antiphon.doors.rest.services import RestServices

    gateway = services.once(Gateway)
    rest = RestServices(
        job_client=services.jobs,
        decoder=services.decoders,
        access=services.access,
        ephemeral=services.client_secrets,
        clock=services.clock,
        metrics=services.metrics,
        engines=services.engines.capabilities,
        describe_session=lambda wish: describe(wish, gateway.defaults, now=services.clock.wall()),
        has_room=services.shared.has_room,
        speech_voice=services.settings.speech_voice,
        speech_speed=services.settings.speech_speed,
        limiter=gateway.limiter,
        waiting_audio=ByteBudget(WAITING_BYTES, most_per_account=services.access.share(WAITING_BYTES)),
    )
    return Added(routes=bound(API_ROUTES, rest))


PART = Part(adds={"gateway": _door})
