"""What a feature adds to a process, declared in one file of `antiphon.app.parts`.

Such a file imports the dependencies of its feature only inside the functions that add it, so that a process imports
only the code of its own roles.
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
    """Runs one job; see `antiphon.workers.loop.Handler`."""
    slots: int
    """Jobs at a time."""
    patient_slots: int = 0
    """Additional concurrent jobs of priority `PATIENT`."""
    measure: Callable[[str, float], None] = lambda _outcome, _seconds: None
    """Called with the outcome and the seconds of each job."""


@dataclass(frozen=True, slots=True)
class Added:
    """Contributions of a part to a process in one role."""

    routes: Sequence[Any] = ()
    """REST routes."""
    sockets: Mapping[str, AsgiApp] = field(default_factory=dict[str, AsgiApp])
    """WebSocket endpoints by path; ``{name}`` matches one segment."""
    requests: Mapping[str, AsgiApp] = field(default_factory=dict[str, AsgiApp])
    """HTTP endpoints other than REST, by exact path."""
    work: Sequence[Workload] = ()
    tasks: Mapping[str, EndlessTask] = field(default_factory=dict[str, EndlessTask])
    """Run until the process ends, by name."""
    checks: Callable[[], Mapping[str, bool]] = dict[str, bool]
    """Additional readiness checks, by name."""
    drain: Callable[[float], Awaitable[None]] | None = None
    """Refuses new work; returns when open work has ended, at the latest after the given seconds."""
    close: Callable[[], Awaitable[None]] | None = None
    """Awaited at the end, before the bus closes."""


@dataclass(frozen=True, slots=True)
class Part:
    """One feature of the platform, with its contributions per role."""

    adds: Mapping[str, Callable[[Services], Added]]
    """By role: imports and creates the contributions."""
    engines: Mapping[str, str] = field(default_factory=dict[str, str])
    """By role: the kind of engine to load and start."""
    metrics: Callable[[], Sequence[Callable[[Any], Any]]] = tuple
    """Imports the metric classes, for the reference; each takes a registry."""
    commands: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    """Commands by name: import path (``module:function``) and line in the list of commands."""
