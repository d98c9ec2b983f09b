"""What every engine's factory is given, and which engine answered.

An entry point ``antiphon.<kind>`` names a ``create(context)`` function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from antiphon.entities.capabilities import Capabilities
from antiphon.ports.settings import S, section_of

answered_by: ContextVar[Capabilities] = ContextVar("answered_by")
"""The engine that gave the results of the call under way; a failover chain sets it."""

instead_of: ContextVar[str] = ContextVar("instead_of", default="")
"""Name of the engine that should have given them; empty where it did."""


def _untold() -> None:
    """Count nothing."""


@dataclass(frozen=True, slots=True)
class EngineContext:
    """Where an engine finds its settings and files."""

    data_dir: Path
    """Weights lie in ``data_dir / "weights"``."""
    offline: bool = False
    """True forbids downloads."""
    threads: int = 1
    """Threads inside one engine call."""
    timeout_s: float = 30.0
    """Deadline of one call."""
    failover_s: float = 5.0
    """How long a service may take for its first result while another engine waits."""
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """All settings by their name, e.g. ``stub_stt_ms``; an engine asks for its `section` of them."""
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    """The variables that settings were read from, where they have another name than ours."""
    on_failure: Callable[[], None] = _untold
    """Called for a failure that no caller is waiting to be told of, e.g. one of the voice detection."""

    def section(self, section: type[S]) -> S:
        """Return the settings of one engine."""
        return section_of(self.settings, section)

    def variable(self, setting: str) -> str:
        """Return what the variable of ``setting`` is called, for an error about its value."""
        return self.variables.get(setting, f"ANTIPHON_{setting.upper()}")


class Engine(Protocol):
    """What engines of every kind have in common."""

    @property
    def capabilities(self) -> Capabilities: ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...


class Checked(Protocol):
    """An engine whose service can be asked how it is; its capabilities say `has_check`."""

    async def check(self) -> None:
        """Ask for something that costs nothing. Raises `AntiphonError` where the service fails or refuses the key."""
        ...
