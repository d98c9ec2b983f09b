"""What the routes of operation need."""

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
    """What readiness depends on, by name."""
    engines: Mapping[str, Mapping[str, EngineState]] = field(default_factory=dict[str, Mapping[str, EngineState]])
    """Of each kind that this process loads, how each engine is."""
    services: Mapping[str, bool | None] = field(default_factory=dict[str, bool | None])
    """Whether remote engines were well when they were last asked; readiness does not depend on it."""


@dataclass(frozen=True, slots=True)
class OperationServices:
    """Everything that they use."""

    access: Access
    metrics: Metrics
    readiness: Callable[[], Awaitable[Readiness]]
    engines: Mapping[str, str]
    """By kind, the name of the engine that the settings ask first."""
    version: str
