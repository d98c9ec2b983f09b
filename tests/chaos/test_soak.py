"""The short form of ``make soak``: keys that expire after a minute have not done so yet."""

from __future__ import annotations

from tests.chaos.run import FLEET
from tests.chaos.soak import growth, soak
from tests.fleet import fleet


async def test_half_a_minute_of_talk_leaves_nothing_behind() -> None:
    with fleet(**FLEET | {"session_sweep_s": 1}) as made:
        samples, complaints, turns = await soak(made, seconds=30, talkers=8)
    assert not complaints
    assert turns > 16
    assert [grown for grown in growth(samples) if not grown.startswith("redis keys has")] == []
