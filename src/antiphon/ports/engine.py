"""The context of engine factories, and the engine that answered a call.

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
"""The engine that produced the results of the current call; set by a failover chain."""

instead_of: ContextVar[str] = ContextVar("instead_of", default="")
"""Name of the preferred engine when another one answered; else empty."""


def _ignore() -> None:
    """Ignore the failure."""


@dataclass(frozen=True, slots=True)
class EngineContext:
    """Settings and folders of an engine."""

    data_dir: Path
    """Weights lie in ``data_dir / "weights"``."""
    offline: bool = False
    """True forbids downloads."""
    threads: int = 1
    """Threads inside one engine call."""
    timeout_s: float = 30.0
    """Deadline of one call."""
    failover_s: float = 5.0
    """Timeout for the first result of a service while another engine is available."""
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """All settings by their name, e.g. ``stub_stt_ms``; an engine asks for its `section` of them."""
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    """Variables of settings that were read under another name."""
    on_failure: Callable[[], None] = _ignore
    """Called for a failure outside of any call, e.g. of voice activity detection."""

    def section(self, section: type[S]) -> S:
        """Return the settings of one engine."""
        return section_of(self.settings, section)

    def variable(self, setting: str) -> str:
        """Return the name of the variable of ``setting``, for an error about its value."""
        return self.variables.get(setting, f"ANTIPHON_{setting.upper()}")


class Engine(Protocol):
    """The common part of all kinds of engines."""

    @property
    def capabilities(self) -> Capabilities: ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...


class Checked(Protocol):
    """An engine whose service has a health check; its capabilities say `has_check`."""

    async def check(self) -> None:
        """Send a request without cost. Raises `AntiphonError` when the service fails or refuses the key."""
        ...
