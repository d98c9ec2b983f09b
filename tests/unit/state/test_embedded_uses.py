from __future__ import annotations

from antiphon.clock import VirtualClock
from antiphon.state.embedded_uses import EmbeddedUses


async def test_counts_are_forgotten_when_they_have_ended_and_not_before() -> None:
    clock = VirtualClock()
    uses = EmbeddedUses(clock)
    for number in range(100):
        assert await uses.spend(f"ek_{number}", "sess_1", 1, clock.wall() + 100)
    clock.advance(99)
    assert not await uses.spend("ek_1", "sess_2", 1, clock.wall() + 1)
    clock.advance(61)
    assert await uses.spend("ek_new", "sess_1", 1, clock.wall() + 100)
    assert len(uses) == 1
