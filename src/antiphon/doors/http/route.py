"""A route is a value: one entry says how it is reached, what it takes, what it answers and who may call it.

From these entries come the routing, the decoding, the OpenAPI document and the list of what needs no key. A
feature lists its own entries in a tuple, and the application joins them.
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
"""``open`` is for anybody, by any host name of this machine; ``key`` for whom `Access` admits, client secrets apart."""


@dataclass(frozen=True, slots=True)
class Call(Generic[B, Q]):
    """One request as a handler gets it: admitted, decoded and validated."""

    scope: Scope
    receive: Receive
    """To hear of a disconnect; the body is read."""
    body: B
    query: Q

    @property
    def identity(self) -> Identity:
        """Who the guard let in."""
        return self.scope["state"]["identity"]

    @property
    def request_id(self) -> str:
        """The id of this request, as its answer's ``x-request-id`` says it."""
        return self.scope["state"]["request_id"]

    @property
    def path_params(self) -> Mapping[str, Any]:
        """What stands in place of the path's parameters."""
        return self.scope["path_params"]


Result = msgspec.Struct | Mapping[str, Any] | bytes | AsgiApp
"""A value becomes JSON with status 200, bytes a body of the route's first media type; an ASGI app answers itself."""
Handler = Callable[[S, Call[B, Q]], Awaitable[Result]]


class NoQuery(msgspec.Struct, frozen=True):
    """The query of a route that reads none."""


@dataclass(frozen=True, slots=True, eq=False)
class Route(Generic[S, B, Q]):
    """One operation: a method of a path."""

    method: str
    """``GET`` answers HEAD as well; OPTIONS is answered for every path."""
    path: str
    """As Starlette writes it, e.g. ``/v1/models/{model_id:path}``; ``str``, ``path``, ``int``, ``float``, ``uuid``."""
    handler: Handler[S, B, Q]
    """Its name is the operation's id and its docstring the description."""
    summary: str
    tag: str
    answers: Mapping[str, tuple[Any, ...]]
    """Types of a successful answer by media type; bytes have no schema."""
    body: Body[B] = NO_BODY
    query: type[Q] | Any = NoQuery
    """A struct with a field for each query parameter; its defaults count for parameters that are not sent."""
    errors: tuple[type[AntiphonError], ...] = ()
    """What the handler itself refuses with; what every route may answer is not repeated."""
    other_answers: Mapping[int, Any] = field(default_factory=dict[int, Any])
    """Types of answers in JSON that are no error although their status is one."""
    access: AccessLevel = "key"
    aliases: tuple[str, ...] = ()
    """Further paths of the same operation."""
    services: S | None = None
    """What the handler gets first; `bound` gives it to the routes of a feature."""

    @property
    def paths(self) -> tuple[str, ...]:
        """All paths, its own first."""
        return (self.path, *self.aliases)

    @property
    def media_type(self) -> str:
        """The media type of an answer in bytes."""
        return next(iter(self.answers))


AnyRoute = Route[Any, Any, Any]


def bound(routes: Iterable[AnyRoute], services: Any) -> tuple[AnyRoute, ...]:
    """Return ``routes`` of a feature with the services of that feature."""
    return tuple(replace(route, services=services) for route in routes)


def open_operations(routes: Iterable[AnyRoute]) -> frozenset[tuple[str, str]]:
    """Return the methods and paths that need no key: OPTIONS is one of them, and HEAD where GET is."""
    return frozenset(
        (method, path)
        for route in routes
        if route.access == "open"
        for path in route.paths
        for method in (route.method, "OPTIONS", *(("HEAD",) if route.method == "GET" else ()))
    )
