"""The flood guard holds back, by the second."""

from __future__ import annotations

import asyncio

import pytest

from antiphon.clock import VirtualClock
from antiphon.doors.websocket.event_rate import EventRateLimiter


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return waited


async def test_beyond_its_share_of_a_second_an_event_waits_for_the_next(waits: list[float]) -> None:
    clock = VirtualClock(10.75)
    guard = EventRateLimiter(clock, 3)
    for _ in range(3):
        await guard.hold()
    assert waits == []
    await guard.hold()
    assert waits == [0.25]
    clock.advance(0.25)
    for _ in range(3):
        await guard.hold()
    assert waits == [0.25]
