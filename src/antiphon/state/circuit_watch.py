"""Circuit states as last seen by this process: changes are logged and reported."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from antiphon.clock import Clock, SystemClock
from antiphon.errors import ProviderUnavailable

_log = structlog.get_logger(__name__)


class CircuitWatch:
    """The last seen state of each circuit."""

    def __init__(
        self, on_seen: Callable[[str, bool], None] | None = None, *, clock: Clock | None = None, open_s: float = 30.0
    ) -> None:
        """``on_seen`` gets an endpoint's name and whether its circuit is open, at first and at each change."""
        self._on_seen = on_seen
        self._clock = clock or SystemClock()
        self._open_s = open_s
        self._seen: dict[str, bool] = {}
        self._open_at: dict[str, float] = {}

    def saw(self, endpoint: str, *, is_open: bool) -> None:
        """Note the state of a circuit."""
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
        """Say whether the circuit was last seen open less than ``open_s`` ago; after that a call may probe it."""
        return self._seen.get(endpoint, False) and self._clock.now() < self._open_at[endpoint] + self._open_s

    def refusal(self, endpoint: str) -> ProviderUnavailable:
        """Return the error of a call that is refused by an open circuit."""
        self.saw(endpoint, is_open=True)
        return ProviderUnavailable(f"{endpoint} kept failing and is left alone for a while", code="circuit_open")
