"""What every engine's factory is given. An entry point ``antiphon.<kind>`` names a ``create(context)`` function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


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
    """All settings by their name without the prefix, e.g. ``stub_stt_ms``. Secrets are plain strings here."""
