"""When an endpoint that keeps failing is left alone, and when it is tried again. Decisions without I/O."""

from __future__ import annotations

from dataclasses import dataclass

from antiphon.errors import Transient


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """What opens a circuit, and what closes it again."""

    failures: int = 5
    """So many in a row open it."""
    open_s: float = 30.0
    """How long it stays open before a probe may go out."""
    slow_s: float = 20.0
    """A call whose first result takes longer has failed."""
    probe_s: float = 60.0
    """A probe of which nothing is heard for so long has lost its place to the next one."""

    def judge(self, ok: bool | None, took_s: float) -> bool | None:
        """Return what a call says of its endpoint: slow is a failure, even if the caller gave up or got an answer."""
        return False if took_s > self.slow_s else ok


def blame(error: BaseException, *, delivered: bool) -> bool | None:
    """Return what the error that ended a call says of the endpoint: False it failed, True it works, None nothing.

    A caller who has heard a first result and then stops listening says that it works. A mistake of the request and a
    refusal of the service say nothing: a working endpoint answers them too.
    """
    if isinstance(error, Transient):
        return False
    if isinstance(error, Exception):
        return None
    return True if delivered else None  # cancelled, or the results' iterator was closed


class Breaker:
    """The circuit of one endpoint: closed, open, or half open with one probe out.

    Every change of state begins a new generation, and a probe has one to itself. So an outcome that comes late, of a
    call that began before the change or of a probe that lost its place, is told by its generation and ignored.
    """

    def __init__(self, rule: BreakerRule) -> None:
        self._rule = rule
        self._generation = 0
        self._failures = 0
        self._refuses_until: float | None = None
        """None while closed. The end of the open time or, with a probe out, of the probe's time."""

    @property
    def is_open(self) -> bool:
        """True from the failure that opened it until a probe's success."""
        return self._refuses_until is not None

    def admit(self, now: float) -> int | None:
        """Return the generation under which a call may go, or None. A call through an open circuit is its probe."""
        if self._refuses_until is None:
            return self._generation
        if now < self._refuses_until:
            return None
        self._turn(now + self._rule.probe_s)
        return self._generation

    def report(self, generation: int, ok: bool | None, now: float) -> None:
        """Take note of an outcome; None says nothing of the endpoint, but gives the probe's place free."""
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
