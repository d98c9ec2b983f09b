"""What a feature adds to a process, said in one file of `antiphon.app.parts`.

Nothing at the top of such a file imports what the feature runs on: that is done by the function that adds it, so that
a process imports what its own roles run and nothing else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from antiphon.app.services import EndlessTask, Services
from antiphon.doors.server.asgi import AsgiApp


@dataclass(frozen=True, slots=True)
class Workload:
    """Jobs of one queue, done in this process."""

    queue: str
    handler: Callable[..., Awaitable[None]]
    """Does one job; `antiphon.workers.loop.Handler` says how."""
    slots: int
    """Jobs at a time."""
    patient_slots: int = 0
    """Beyond these, jobs at a time of those that may wait."""
    measure: Callable[[str, float], None] = lambda _outcome, _seconds: None
    """Told of each job's outcome, and of the seconds that it took."""


@dataclass(frozen=True, slots=True)
class Added:
    """What a part has added to a process in one of its roles."""

    routes: Sequence[Any] = ()
    """REST routes."""
    sockets: Mapping[str, AsgiApp] = field(default_factory=dict[str, AsgiApp])
    """WebSocket doors by their path, in which ``{name}`` stands for any one segment."""
    requests: Mapping[str, AsgiApp] = field(default_factory=dict[str, AsgiApp])
    """HTTP doors beside REST, by their exact path."""
    work: Sequence[Workload] = ()
    tasks: Mapping[str, EndlessTask] = field(default_factory=dict[str, EndlessTask])
    """Run until the process ends, by name."""
    checks: Callable[[], Mapping[str, bool]] = dict[str, bool]
    """What readiness depends on besides engines and what all parts share, by name."""
    drain: Callable[[float], Awaitable[None]] | None = None
    """Takes nothing new; returns when what is open has ended, at the latest after so many seconds."""
    close: Callable[[], Awaitable[None]] | None = None
    """Awaited at the end, while there still is a bus."""


@dataclass(frozen=True, slots=True)
class Part:
    """One feature of the platform, by the roles of a process that have something of it."""

    adds: Mapping[str, Callable[[Services], Added]]
    """By role: imports what the feature needs there, and makes it."""
    engines: Mapping[str, str] = field(default_factory=dict[str, str])
    """By role: the kind of engine that it loads and starts."""
    metrics: Callable[[], Sequence[Callable[[Any], Any]]] = tuple
    """Imports the classes of what it measures, for the reference; each is made with a registry."""
    commands: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    """Commands of the command line by name: where each is, as ``module:function``, and the line that lists it."""
