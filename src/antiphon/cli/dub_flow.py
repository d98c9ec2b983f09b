"""Schedules fragments: window, backpressure, retries and reconnections, without I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from antiphon.wire.dubbing_server import Backpressure, DubbingError, FragmentProcessed

RETRY_S = 1.0
"""Delay before a fragment that failed transiently, or was refused temporarily, is sent again."""
RETRIES = 1
"""Retries of a fragment that failed transiently."""
_AHEAD = 32
"""Maximum results held until an earlier fragment is done. A server keeps 64."""
_TEMPORARY = frozenset({"BACKPRESSURE_EXCEEDED", "RATE_LIMIT", "QUEUE_FULL"})
"""Refusals that are not about the fragment itself."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of the recording."""

    index: int
    """Its place among the fragments, from 0."""
    fragment_id: str
    start: int
    """Its first frame in the recording."""
    samples: NDArray[np.int16]
    """Of shape (frames, channels)."""
    rate_hz: int

    @property
    def start_ms(self) -> int:
        """Where it begins in the recording."""
        return round(self.start * 1000 / self.rate_hz)

    @property
    def duration_ms(self) -> int:
        """Its length; those of all fragments add up to that of the recording."""
        return round((self.start + len(self.samples)) * 1000 / self.rate_hz) - self.start_ms


@dataclass(frozen=True, slots=True)
class Outcome:
    """Final outcome of a fragment."""

    fragment: Fragment
    result: FragmentProcessed | None
    """None if the server refused it."""
    refusal: DubbingError | None = None
    """Error of the refusal."""
    tries: int = 1
    done_at: float = 0.0


class _State(Enum):
    WAITS = auto()
    SENT = auto()
    DONE = auto()


@dataclass(slots=True)
class _Flight:
    fragment: Fragment
    state: _State = _State.WAITS
    number: int | None = None
    """Sequence number on this connection; kept for retries."""
    tries: int = 0
    not_before: float = 0.0
    outcome: Outcome | None = None


class Flow:
    """Fragments from the recording to their outcomes, in order. Times are seconds of a monotonic clock."""

    def __init__(self, max_inflight: int) -> None:
        self._max_inflight = max_inflight
        self._flights: dict[int, _Flight] = {}
        """By index: fragments whose outcome was not yet taken."""
        self._counter = 0
        self._paused = False
        self._spacing_s = 0.0
        self._free_at = 0.0

    @property
    def wants_more(self) -> bool:
        """True if the window has room for another fragment, apart from backpressure."""
        open_window = sum(one.state is not _State.DONE for one in self._flights.values()) < self._max_inflight
        return open_window and len(self._flights) < _AHEAD

    @property
    def is_empty(self) -> bool:
        """True if every outcome was taken."""
        return not self._flights

    @property
    def due(self) -> float | None:
        """When the next fragment may be sent; None while that depends on an event."""
        waiting = [one.not_before for one in self._flights.values() if one.state is _State.WAITS]
        if self._paused or not waiting or self._in_flight >= self._max_inflight:
            return None
        return max(self._free_at, min(waiting))

    @property
    def _in_flight(self) -> int:
        return sum(one.state is _State.SENT for one in self._flights.values())

    def offer(self, fragment: Fragment) -> None:
        """Take the next fragment of the recording."""
        self._flights[fragment.index] = _Flight(fragment)

    def next_to_send(self, now: float) -> tuple[int, Fragment] | None:
        """Return the fragment to send now with its number on this connection, if any."""
        if self.due is None or self.due > now:
            return None
        flight = next(one for one in self._in_order() if one.state is _State.WAITS and one.not_before <= now)
        if flight.number is None:
            flight.number, self._counter = self._counter, self._counter + 1
        flight.state, flight.tries = _State.SENT, flight.tries + 1
        self._free_at = now + self._spacing_s
        return flight.number, flight.fragment

    def backpressure(self, event: Backpressure) -> None:
        """The server asks to slow down or to pause; only ``none`` lifts a pause."""
        match event.action:
            case "none":
                self._paused, self._spacing_s = False, 0.0
            case "pause":
                self._paused = True
            case "slow_down":
                self._spacing_s = (event.recommended_delay_ms or 0) / 1000

    def processed(self, result: FragmentProcessed, now: float) -> None:
        """Process a result: final, or to be retried."""
        flight = self._sent(result.fragment_id)
        if flight is None:
            return
        error = result.error
        if result.status == "failed" and error is not UNSET and error.retryable and flight.tries <= RETRIES:
            flight.state, flight.not_before = _State.WAITS, now + RETRY_S
            return
        self._finish(flight, Outcome(flight.fragment, result, tries=flight.tries, done_at=now))

    def refused(self, error: DubbingError, now: float) -> None:
        """Process a refusal: temporary, which pauses sending for a while, or final."""
        flight = self._sent(error.fragment_id or "")
        if flight is None:
            return
        if error.code in _TEMPORARY:
            flight.state, flight.tries = _State.WAITS, flight.tries - 1
            self._free_at = now + RETRY_S
            return
        if error.code == "INVALID_SEQUENCE" and flight.tries <= RETRIES:  # it was skipped while it waited
            flight.state, flight.number = _State.WAITS, None
            return
        self._finish(flight, Outcome(flight.fragment, None, error, flight.tries, now))

    def reset(self) -> None:
        """Prepare for a new connection: send fragments without a result again, numbered from 0."""
        self._counter, self._paused, self._spacing_s = 0, False, 0.0
        for flight in self._flights.values():
            if flight.state is not _State.DONE:
                flight.tries -= flight.state is _State.SENT
                flight.state, flight.number = _State.WAITS, None

    def take(self) -> list[Outcome]:
        """Return the next outcomes in order, each once."""
        taken: list[Outcome] = []
        for flight in self._in_order():
            if flight.outcome is None:
                break
            taken.append(flight.outcome)
            del self._flights[flight.fragment.index]
        return taken

    def _in_order(self) -> list[_Flight]:
        return [self._flights[index] for index in sorted(self._flights)]

    def _sent(self, fragment_id: str) -> _Flight | None:
        return next(
            (
                one
                for one in self._flights.values()
                if one.fragment.fragment_id == fragment_id and one.state is _State.SENT
            ),
            None,
        )

    @staticmethod
    def _finish(flight: _Flight, outcome: Outcome) -> None:
        flight.state, flight.outcome = _State.DONE, outcome
