"""Translation sessions: speech in, translated speech out."""

from __future__ import annotations

from antiphon.app.part import Added, Part
from antiphon.app.services import Services


def _door(services: Services) -> Added:
    from antiphon.app.gateway import Gateway
    from antiphon.doors.translation.endpoint import TranslationDoor
    from antiphon.doors.translation.session import TranslationSessionOptions

    settings, gateway = services.settings, services.once(Gateway)
    options = TranslationSessionOptions(
        gateway.limits, settings.realtime_max_buffer_s, settings.realtime_session_s, gateway.rules.job_timeout_s
    )
    door = TranslationDoor(
        services.access, gateway.links, services.metrics, options, gateway.connections, gateway.usage
    )
    return Added(sockets={"/v1/realtime/translations": door})


PART = Part(adds={"gateway": _door}, engines={"gateway": "vad"})
