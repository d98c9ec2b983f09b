"""Circuit breaker: when calls to a failing endpoint are refused, and when one is tried again. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from antiphon.errors import Transient


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """The thresholds and times of a circuit."""

    failures: int = 5
    """Consecutive failures that open it."""
    open_s: float = 30.0
    """How long it stays open before a probe may go out."""
    slow_s: float = 20.0
    """A call whose first result takes longer has failed."""
    probe_s: float = 60.0
    """A probe without an outcome for this long is replaced by the next one."""

    def judge(self, ok: bool | None, took_s: float) -> bool | None:
        """Return the outcome that counts: a slow call is a failure, even if it was cancelled or succeeded."""
        return False if took_s > self.slow_s else ok


def blame(error: BaseException, *, delivered: bool) -> bool | None:
    """Return what an error implies for the endpoint: False failed, True works, None unknown.

    A call that is cancelled after its first result shows a working endpoint. An invalid request and a refusal of the
    service imply nothing: a working endpoint gives them too.
    """
    if isinstance(error, Transient):
        return False
    if isinstance(error, Exception):
        return None
    return True if delivered else None  # cancelled, or the results' iterator was closed


class Breaker:
    """The circuit of one endpoint: closed, open, or half open with one active probe.

    Every change of state begins a new generation, and so does every probe. Late outcomes, of calls from before a change
    or of replaced probes, are recognized by their generation and ignored.
    """

    def __init__(self, rule: BreakerRule) -> None:
        self._rule = rule
        self._generation = 0
        self._failures = 0
        self._refuses_until: float | None = None
        """None while closed. The end of the open time or, with an active probe, of the probe's time."""

    @property
    def is_open(self) -> bool:
        """True from the failure that opened it until a probe's success."""
        return self._refuses_until is not None

    def admit(self, now: float) -> int | None:
        """Return the generation of an admitted call, or None. A call through an open circuit is its probe."""
        if self._refuses_until is None:
            return self._generation
        if now < self._refuses_until:
            return None
        self._turn(now + self._rule.probe_s)
        return self._generation

    def report(self, generation: int, ok: bool | None, now: float) -> None:
        """Record an outcome; None implies nothing for the endpoint, but allows another probe."""
        if generation != self._generation:
            return
        if self._refuses_until is None:
            self._count(ok, now)
        elif ok:
            self._failures = 0
            self._turn(None)
        else:
            self._turn(now if ok is None else now + self._rule.open_s)

    def _count(self, ok: bool | None, now: float) -> None:
        if ok is not None:
            self._failures = 0 if ok else self._failures + 1
        if self._failures >= self._rule.failures:
            self._turn(now + self._rule.open_s)

    def _turn(self, refuses_until: float | None) -> None:
        self._generation += 1
        self._refuses_until = refuses_until
