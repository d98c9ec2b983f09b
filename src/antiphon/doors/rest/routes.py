"""The speech API as a table of routes."""

from __future__ import annotations

from antiphon.doors.http.route import AnyRoute
from antiphon.doors.rest import client_secrets, legacy_sessions, models, speech, transcriptions

API_ROUTES: tuple[AnyRoute, ...] = (
    *speech.ROUTES,
    *transcriptions.ROUTES,
    *models.ROUTES,
    *client_secrets.ROUTES,
    *legacy_sessions.ROUTES,
)
"""Their services are `RestServices`."""
