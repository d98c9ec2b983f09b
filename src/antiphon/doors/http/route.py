"""A route is a value: method and path, body and query, responses, and access level.

Routing, decoding, the OpenAPI document and the list of open operations are derived from these values. A feature
lists its own routes in a tuple, and the application joins them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar

import msgspec

from antiphon.doors.access.authentication import Identity
from antiphon.doors.http.bodies import NO_BODY, Body
from antiphon.doors.server.asgi import AsgiApp, Receive, Scope
from antiphon.errors import AntiphonError

S = TypeVar("S")
B = TypeVar("B")
Q = TypeVar("Q")

JSON = "application/json"

AccessLevel = Literal["open", "key"]
"""``open`` admits every caller on any host name; ``key`` the callers that `Access` admits, except client secrets."""


@dataclass(frozen=True, slots=True)
class Call(Generic[B, Q]):
    """One request as a handler gets it: admitted, decoded and validated."""

    scope: Scope
    receive: Receive
    """Only for the disconnect: the body has been read."""
    body: B
    query: Q

    @property
    def identity(self) -> Identity:
        """The authenticated caller."""
        return self.scope["state"]["identity"]

    @property
    def request_id(self) -> str:
        """The id of this request, the ``x-request-id`` of its response."""
        return self.scope["state"]["request_id"]

    @property
    def path_params(self) -> Mapping[str, Any]:
        """Values of the path parameters."""
        return self.scope["path_params"]


Result = msgspec.Struct | Mapping[str, Any] | bytes | AsgiApp
"""A value is sent as JSON with status 200, bytes with the route's first media type; an ASGI app responds itself."""
Handler = Callable[[S, Call[B, Q]], Awaitable[Result]]


class NoQuery(msgspec.Struct, frozen=True):
    """The query of a route without parameters."""


@dataclass(frozen=True, slots=True, eq=False)
class Route(Generic[S, B, Q]):
    """One operation: a method of a path."""

    method: str
    """``GET`` also answers HEAD; every path answers OPTIONS."""
    path: str
    """As Starlette writes it, e.g. ``/v1/models/{model_id:path}``; ``str``, ``path``, ``int``, ``float``, ``uuid``."""
    handler: Handler[S, B, Q]
    """Its name is the operation's id and its docstring the description."""
    summary: str
    tag: str
    answers: Mapping[str, tuple[Any, ...]]
    """Types of a successful response by media type; bytes have no schema."""
    body: Body[B] = NO_BODY
    query: type[Q] | Any = NoQuery
    """A struct with a field for each query parameter; defaults apply to absent ones."""
    errors: tuple[type[AntiphonError], ...] = ()
    """Errors of the handler itself, without those that every route may raise."""
    other_answers: Mapping[int, Any] = field(default_factory=dict[int, Any])
    """Types of JSON responses by error status that are not in the error shape."""
    access: AccessLevel = "key"
    aliases: tuple[str, ...] = ()
    """Other paths of the same operation."""
    services: S | None = None
    """First argument of the handler; `bound` sets it for the routes of a feature."""

    @property
    def paths(self) -> tuple[str, ...]:
        """All paths, the main one first."""
        return (self.path, *self.aliases)

    @property
    def media_type(self) -> str:
        """The media type of a response in bytes."""
        return next(iter(self.answers))


AnyRoute = Route[Any, Any, Any]


def bound(routes: Iterable[AnyRoute], services: Any) -> tuple[AnyRoute, ...]:
    """Return the routes of a feature with its services."""
    return tuple(replace(route, services=services) for route in routes)


def open_operations(routes: Iterable[AnyRoute]) -> frozenset[tuple[str, str]]:
    """Return the methods and paths that need no key, with OPTIONS, and with HEAD for GET."""
    return frozenset(
        (method, path)
        for route in routes
        if route.access == "open"
        for path in route.paths
        for method in (route.method, "OPTIONS", *(("HEAD",) if route.method == "GET" else ()))
    )
