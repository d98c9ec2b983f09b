from __future__ import annotations

import pytest

from antiphon.conversation.effects import SendAudio, StartAnswer
from tests.options import session_rules
from tests.simulation import MS, World

LENGTH_MS = 4000


def speaking(world: World, piece_ms: int) -> float:
    """A paced answer whose speech is all made at once; returns when it began."""
    world.say_text()
    world.send("response.create")
    job = next(effect for effect in world.effects if isinstance(effect, StartAnswer)).speak_job_id
    for number in range(LENGTH_MS // piece_ms):
        world.made_audio(job, piece_ms * MS, "It is noon." if number == 0 else "")
    return world.now


def sent_ms(world: World, piece_ms: int) -> int:
    return sum(isinstance(effect, SendAudio) for effect in world.effects) * piece_ms


@pytest.mark.parametrize("piece_ms", [20, 40, 100])
def test_the_lead_stays_between_what_underruns_and_what_cannot_be_taken_back(piece_ms: int) -> None:
    world = World(session_rules(pace=True, lead_ms=200))
    begin = speaking(world, piece_ms)
    assert sent_ms(world, piece_ms) == 200
    for _ in range(LENGTH_MS // 5 - 50):
        world.advance(0.005)
        lead_ms = sent_ms(world, piece_ms) - (world.now - begin) * 1000
        assert 200 - max(80, piece_ms) - 2 <= lead_ms <= 202


@pytest.mark.parametrize(("piece_ms", "burst_ms"), [(20, 80), (40, 80), (100, 100)])
def test_short_pieces_leave_several_at_a_time(piece_ms: int, burst_ms: int) -> None:
    world = World(session_rules(pace=True, lead_ms=200))
    speaking(world, piece_ms)
    world.now = world.machine.wake_at(world.now)
    world.advance(0)  # the first that does not fit goes alone, as if nothing came behind it
    ticks, begin = 0, sent_ms(world, piece_ms)
    while (before := sent_ms(world, piece_ms)) < begin + 2000:
        world.now = max(world.now, world.machine.wake_at(world.now))
        world.advance(0)
        ticks += 1
        assert sent_ms(world, piece_ms) - before == burst_ms
    assert ticks == 2000 / burst_ms
