"""REST routes as one ASGI app: the router behind authentication and timeouts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from starlette.routing import Route as StarletteRoute
from starlette.routing import Router

from antiphon.doors.access.authentication import Access
from antiphon.doors.access.middleware import AccessMiddleware
from antiphon.doors.access.timeouts import TimeoutMiddleware
from antiphon.doors.http.dispatch import Faults, Resource, not_found
from antiphon.doors.http.route import AnyRoute, open_operations
from antiphon.doors.server.asgi import AsgiApp
from antiphon.observe.metrics import Metrics


def build_http(routes: Sequence[AnyRoute], access: Access, metrics: Metrics) -> AsgiApp:
    """Return the routes of all features of a process, each bound to its services, as one app."""
    resources = [StarletteRoute(path, resource) for path, resource in _resources(routes).items()]
    router = Router(resources, redirect_slashes=False, default=not_found)
    return TimeoutMiddleware(AccessMiddleware(Faults(router, metrics), access, metrics, open_operations(routes)))


def _resources(routes: Iterable[AnyRoute]) -> dict[str, Resource]:
    """Return the operations of every path, fixed paths first: the router takes the first match.

    Raises `ValueError` when two routes are the same operation.
    """
    by_path: dict[str, dict[str, AnyRoute]] = {}
    for route in routes:
        for path in route.paths:
            if by_path.setdefault(path, {}).setdefault(route.method, route) is not route:
                raise ValueError(f"Two routes answer {route.method} {path}.")
    fixed_first = sorted(by_path, key=lambda path: "{" in path)
    return {path: Resource(by_path[path]) for path in fixed_first}
