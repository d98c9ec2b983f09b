"""The REST application: the table of routes, and the guard before it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from starlette.routing import Route as StarletteRoute
from starlette.routing import Router
from starlette.types import ASGIApp

from antiphon.doors.access.middleware import Guard
from antiphon.doors.access.timeouts import Patience
from antiphon.doors.rest import client_secrets, health, legacy_sessions, models, speech, transcriptions
from antiphon.doors.rest.dispatch import Faults, Resource, not_found
from antiphon.doors.rest.openapi import Description, describe_api
from antiphon.doors.rest.pages import SITE_ROUTES
from antiphon.doors.rest.route import AnyRoute, bound, open_operations
from antiphon.doors.rest.services import RestServices

OPERATION_ROUTES: tuple[AnyRoute, ...] = health.ROUTES
"""What every process answers, whatever its role."""

API_ROUTES: tuple[AnyRoute, ...] = (
    *speech.ROUTES,
    *transcriptions.ROUTES,
    *models.ROUTES,
    *client_secrets.ROUTES,
    *legacy_sessions.ROUTES,
    *OPERATION_ROUTES,
)
"""What a gateway answers, and the OpenAPI document describes."""

METHODS = frozenset(route.method for route in API_ROUTES)
"""Of all routes. Socket.IO, which polls, has no others."""


def build_rest(services: RestServices, routes: Sequence[AnyRoute] = API_ROUTES) -> ASGIApp:
    """Return REST doors, by default all of them, as one ASGI app.

    Routes of a feature may stand among ``routes``, with `bound` to its own services; the document describes them all.
    """
    description = Description(lambda: describe_api(routes, services.version))
    everything = (*routes, *bound(SITE_ROUTES, description))
    resources = [StarletteRoute(path, resource) for path, resource in _resources(everything, services).items()]
    router = Router(resources, redirect_slashes=False, default=not_found)
    guard = Guard(Faults(router, services.metrics), services.access, services.metrics, open_operations(everything))
    return Patience(guard)


def _resources(routes: Iterable[AnyRoute], services: RestServices) -> dict[str, Resource]:
    """Return the operations of every path, those without parameters first: the router takes the first that fits.

    Raises `ValueError` when two routes are the same operation.
    """
    by_path: dict[str, dict[str, AnyRoute]] = {}
    for route in routes:
        for path in route.paths:
            if by_path.setdefault(path, {}).setdefault(route.method, route) is not route:
                raise ValueError(f"Two routes answer {route.method} {path}.")
    fixed_first = sorted(by_path, key=lambda path: "{" in path)
    return {path: Resource(by_path[path], services) for path in fixed_first}
