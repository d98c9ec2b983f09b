from __future__ import annotations

import sys

from antiphon.clock import VirtualClock
from antiphon.policy.window import SlidingWindowLimiter
from antiphon.ports.limiter import Account


def test_silent_accounts_are_forgotten() -> None:
    clock = VirtualClock()
    limiter = SlidingWindowLimiter(requests=10, clock=clock)
    for number in range(2000):
        limiter.charge(Account("t", f"key_{number}"), requests=1)
        clock.advance(1)
    assert len(limiter._windows) <= 122


def test_a_flood_of_charges_stays_small_in_memory() -> None:
    clock = VirtualClock()
    limiter = SlidingWindowLimiter(tokens=10**9, clock=clock)
    for _ in range(100_000):
        limiter.charge(Account("t", "k"), tokens=1)
        clock.advance(0.0005)
    window = limiter._windows[Account("t", "k")]["tokens"]
    assert len(window._charges) <= 1201
    assert sys.getsizeof(window._charges) < 100_000
    (allowance,) = limiter.allowances(Account("t", "k"))
    assert allowance.remaining == 10**9 - 100_000
