"""The speech API over REST."""

from __future__ import annotations

from antiphon.app.part import Added, Part
from antiphon.app.services import Services


def _door(services: Services) -> Added:
    from antiphon.doors.rest.app import API_ROUTES, OPERATION_ROUTES

    del services
    return Added(routes=[route for route in API_ROUTES if route not in OPERATION_ROUTES])


PART = Part(adds={"gateway": _door})
