"""The history over REST."""

from __future__ import annotations

from antiphon.app.part import Added, Part
from antiphon.app.parts.realtime import make_door
from antiphon.app.services import Services


def _door(services: Services) -> Added:
    from antiphon.doors.history.reader import HistoryReader
    from antiphon.doors.history.routes import ROUTES, HistoryServices
    from antiphon.doors.http.route import bound

    reader = HistoryReader(
        services.rows.store,
        services.shared.sessions,
        services.clock,
        lasts_s=services.settings.realtime_session_s,
    )
    return Added(routes=bound(ROUTES, HistoryServices(reader, services.once(make_door).stop)))


PART = Part(adds={"gateway": _door})
