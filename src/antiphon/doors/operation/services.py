"""Services of the operation routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from antiphon.doors.access.authentication import Access
from antiphon.entities.capabilities import EngineState
from antiphon.observe.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether this process should be sent work."""

    ready: bool
    draining: bool = False
    checks: Mapping[str, bool] = field(default_factory=dict[str, bool])
    """The checks that readiness depends on, by name."""
    engines: Mapping[str, Mapping[str, EngineState]] = field(default_factory=dict[str, Mapping[str, EngineState]])
    """State of each engine, by kind, of the kinds that this process loads."""
    services: Mapping[str, bool | None] = field(default_factory=dict[str, bool | None])
    """Result of the last check of each remote engine; readiness does not depend on it."""


@dataclass(frozen=True, slots=True)
class OperationServices:
    """Everything that the operation routes use."""

    access: Access
    metrics: Metrics
    readiness: Callable[[], Awaitable[Readiness]]
    engines: Mapping[str, str]
    """Name of the first configured engine, by kind."""
    version: str
