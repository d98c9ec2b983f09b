"""Clocks are values: the system's own, and one that only tests move."""

from __future__ import annotations

import pytest

from antiphon.clock import SystemClock, VirtualClock, iso_utc


def test_the_system_clock_does_not_go_back() -> None:
    clock = SystemClock()
    first = clock.now()
    assert clock.now() >= first
    assert clock.wall() > 1_700_000_000


def test_a_virtual_clock_moves_only_when_it_is_advanced_and_its_wall_moves_along() -> None:
    clock = VirtualClock(5.0, wall=1_000.0)
    assert (clock.now(), clock.wall()) == (5.0, 1_000.0)
    clock.advance(2.5)
    assert (clock.now(), clock.wall()) == (7.5, 1_002.5)
    clock.advance(0.0)
    assert clock.now() == 7.5


def test_a_virtual_clock_refuses_to_go_back() -> None:
    clock = VirtualClock()
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance(-0.001)
    assert clock.now() == 0.0


@pytest.mark.parametrize(("wall_s", "text"), [
    (0.0, "1970-01-01T00:00:00.000Z"),
    (1_769_862_600.25, "2026-01-31T12:30:00.250Z"),
    (1_769_862_600.0009, "2026-01-31T12:30:00.000Z"),
])  # fmt: skip
def test_an_instant_is_written_in_utc_with_milliseconds(wall_s: float, text: str) -> None:
    assert iso_utc(wall_s) == text
