"""Conversations over the Realtime protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from antiphon.app.part import Added, Part
from antiphon.app.services import Services, process_id

if TYPE_CHECKING:  # a process without this part must not import what it runs on
    from antiphon.doors.realtime.endpoint import RealtimeDoor


def make_door(services: Services) -> RealtimeDoor:
    """Return the endpoint of conversations; see `Services.once`."""
    from antiphon.app.gateway import Gateway
    from antiphon.doors.realtime.endpoint import RealtimeDoor, RealtimeOptions

    settings, gateway = services.settings, services.once(Gateway)
    options = RealtimeOptions(
        rules=gateway.rules,
        limits=gateway.limits,
        defaults=gateway.defaults,
        heartbeat_s=settings.session_liveness_s / 3,
        sweep_s=settings.session_sweep_s,
        resumes=settings.resume_window_s > 0,
        gateway_id=process_id("gateway"),
    )
    return RealtimeDoor(
        services.access,
        gateway.links,
        services.shared.sessions,
        services.metrics,
        options,
        gateway.connections,
        gateway.usage,
    )


def _door(services: Services) -> Added:
    from antiphon.app.gateway import Gateway

    door, gateway = services.once(make_door), services.once(Gateway)
    return Added(
        sockets={"/v1/realtime": door},
        tasks={
            "session heartbeats": door.keep_alive,
            "taken sessions": door.watch_taken,
            "components": lambda: door.watch_components(gateway.components),
            "expired sessions": door.sweep,
        },
        close=door.close,
    )


PART = Part(adds={"gateway": _door}, engines={"gateway": "vad"})
