"""Rate limits in one process: an exact sliding window per account."""

from __future__ import annotations

from collections import deque

from antiphon.clock import Clock, SystemClock
from antiphon.ports.limiter import Account, Allowance

_GRAIN_S = 0.05
"""Charges this close together count as one, at the later time: memory stays bounded, the limit is kept."""


class _Window:
    """The charges of one account against one limit."""

    __slots__ = ("_charges", "used")

    def __init__(self) -> None:
        self._charges: deque[tuple[float, float, int]] = deque()
        """First time, last time, amount."""
        self.used = 0

    def forget(self, before: float) -> None:
        """Forget charges at ``before`` or earlier."""
        while self._charges and self._charges[0][1] <= before:
            self.used -= self._charges.popleft()[2]

    def add(self, now: float, amount: int) -> None:
        """Charge ``amount`` now."""
        self.used += amount
        if self._charges and now - self._charges[-1][0] < _GRAIN_S:
            first, _, before = self._charges.pop()
            self._charges.append((first, now, before + amount))
        else:
            self._charges.append((now, now, amount))

    def newest(self) -> float | None:
        """Return when the last charge was."""
        return self._charges[-1][1] if self._charges else None


class SlidingWindowLimiter:
    """A `Limiter` for one process. A limit of zero does not apply.

    A caller that starts only while ``remaining`` is positive, and charges in the same step, never exceeds a limit of
    requests in any ``window_s`` seconds. ``remaining`` is negative when more was used than was left.
    """

    def __init__(
        self, *, requests: int = 0, tokens: int = 0, clock: Clock | None = None, window_s: float = 60.0
    ) -> None:
        self._limits = tuple((name, limit) for name, limit in (("requests", requests), ("tokens", tokens)) if limit)
        self._clock = clock or SystemClock()
        self._window_s = window_s
        self._windows: dict[Account, dict[str, _Window]] = {}
        self._next_sweep = 0.0

    def allowances(self, account: Account) -> tuple[Allowance, ...]:
        """Return the remaining allowances, without charging."""
        now = self._clock.now()
        windows = self._windows.get(account, {})
        return tuple(self._allowance(name, limit, windows.get(name), now) for name, limit in self._limits)

    def charge(self, account: Account, *, requests: int = 0, tokens: int = 0) -> tuple[Allowance, ...]:
        """Count used amounts and return the remaining allowances."""
        now = self._clock.now()
        self._sweep(now)
        amounts = {"requests": requests, "tokens": tokens}
        for name, _ in self._limits:
            if amounts[name] > 0:
                self._windows.setdefault(account, {}).setdefault(name, _Window()).add(now, amounts[name])
        return self.allowances(account)

    def _allowance(self, name: str, limit: int, window: _Window | None, now: float) -> Allowance:
        if window is None:
            return Allowance(name, limit, limit, 0.0)
        window.forget(now - self._window_s)
        newest = window.newest()
        reset_s = 0.0 if newest is None else newest + self._window_s - now
        return Allowance(name, limit, limit - window.used, reset_s)

    def _sweep(self, now: float) -> None:
        """Forget, once per window, accounts without charges for a window."""
        if now < self._next_sweep:
            return
        self._next_sweep = now + self._window_s
        for account, windows in list(self._windows.items()):
            for window in windows.values():
                window.forget(now - self._window_s)
            if not any(window.used for window in windows.values()):
                del self._windows[account]
