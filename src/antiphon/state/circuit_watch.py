"""What this process knows of its circuits: a change is logged, and told to whoever watches."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from antiphon.clock import Clock, SystemClock
from antiphon.errors import ProviderUnavailable

_log = structlog.get_logger(__name__)


class CircuitWatch:
    """Which circuits this process last saw open."""

    def __init__(
        self, on_seen: Callable[[str, bool], None] | None = None, *, clock: Clock | None = None, open_s: float = 30.0
    ) -> None:
        """``on_seen`` is told an endpoint's name and whether its circuit is open, at first and at each change."""
        self._on_seen = on_seen
        self._clock = clock or SystemClock()
        self._open_s = open_s
        self._seen: dict[str, bool] = {}
        self._open_at: dict[str, float] = {}

    def saw(self, endpoint: str, *, is_open: bool) -> None:
        """Take note of a circuit's state."""
        if is_open:
            self._open_at[endpoint] = self._clock.now()
        before = self._seen.get(endpoint)
        if before is is_open:
            return
        self._seen[endpoint] = is_open
        if is_open:
            _log.warning("circuit open", endpoint=endpoint)
        elif before:
            _log.info("circuit closed", endpoint=endpoint)
        if self._on_seen is not None:
            self._on_seen(endpoint, is_open)

    def refuses(self, endpoint: str) -> bool:
        """Say whether the circuit was last seen open, and that not so long ago that a call may try it by now."""
        return self._seen.get(endpoint, False) and self._clock.now() < self._open_at[endpoint] + self._open_s

    def refusal(self, endpoint: str) -> ProviderUnavailable:
        """Return the error for a call that an open circuit refuses."""
        self.saw(endpoint, is_open=True)
        return ProviderUnavailable(f"{endpoint} kept failing and is left alone for a while", code="circuit_open")
