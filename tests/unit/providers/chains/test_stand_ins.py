"""Voices in place of others: recorded when that begins and when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from antiphon.clock import VirtualClock
from antiphon.errors import ProviderTimeout, WeightsMissing
from antiphon.ports.engine import instead_of
from antiphon.providers.chains.kinds import TtsChain
from antiphon.providers.chains.stand_ins import StandIns
from tests.unit.providers.chains.stage import Speaker, spoken
from tests.virtual_time import on_virtual_time


@pytest.fixture(autouse=True)
def context_of_its_own() -> Iterator[None]:
    """A test that is no coroutine sets the variable for all that follow in its process."""
    before = instead_of.set("")
    yield
    instead_of.reset(before)


def told(logs: list[Any]) -> list[tuple[str, str, str | None]]:
    """What was logged of voices in place of others."""
    return [(log["event"], log["engine"], log.get("instead")) for log in logs if log["event"].startswith("tts.")]


@on_virtual_time
async def test_a_voice_in_place_of_another_is_told_when_it_begins_and_when_it_ends(clock: VirtualClock) -> None:
    begun: list[None] = []
    usual = Speaker("a", "en", fail=ProviderTimeout("slow"))
    voices = [usual, Speaker("b", "en"), Speaker("c", "es")]
    chain = TtsChain(voices, clock=clock, stand_ins=StandIns(lambda: begun.append(None)))
    with capture_logs() as logs:
        for language in (None, "en", "es", None):
            await spoken(chain, language=language)
            assert instead_of.get() == ("" if language == "es" else "a")
        usual.error = None
        await asyncio.sleep(10)  # it has rested
        for language in ("es", "en", None):
            await spoken(chain, language=language)
            assert instead_of.get() == ""
    assert told(logs) == [("tts.degraded", "a", "b"), ("tts.recovered", "a", None)]
    assert len(begun) == 1


async def test_a_voice_that_is_left_out_at_the_start_is_stood_in_for_from_then_on() -> None:
    begun: list[None] = []
    gone = Speaker("a", "en")
    gone.start_error = WeightsMissing("run antiphon models pull a")
    chain = TtsChain([gone, Speaker("b", "en")], stand_ins=StandIns(lambda: begun.append(None)))
    with capture_logs() as logs:
        await chain.start()
        await spoken(chain)
        assert instead_of.get() == "a"
        await spoken(chain, language="en")
        assert instead_of.get() == ""
    assert told(logs) == [("tts.degraded", "a", "b")]
    assert len(begun) == 1


async def test_a_voice_behind_the_first_that_is_left_out_is_not_missed() -> None:
    last = Speaker("b", "en")
    last.start_error = WeightsMissing("run antiphon models pull b")
    chain = TtsChain([Speaker("a", "en"), last], stand_ins=StandIns())
    with capture_logs() as logs:
        await chain.start()
        await spoken(chain)
    assert (told(logs), instead_of.get()) == ([], "")


@pytest.mark.parametrize(
    ("calls", "events", "degraded"),
    [
        ([("a", "a")], [], 0),
        ([("a", "b"), ("a", "b"), ("a", "c")], [("tts.degraded", "a", "b")], 1),
        ([("a", "b"), ("a", "a"), ("a", "a")], [("tts.degraded", "a", "b"), ("tts.recovered", "a", None)], 1),
        ([("a", "b"), ("b", "b")], [("tts.degraded", "a", "b")], 1),
        ([("a", "c"), ("b", "c")], [("tts.degraded", "a", "c"), ("tts.degraded", "b", "c")], 2),
        (
            [("a", "b"), ("a", "a"), ("a", "b")],
            [("tts.degraded", "a", "b"), ("tts.recovered", "a", None), ("tts.degraded", "a", "b")],
            2,
        ),
    ],
)
def test_each_engine_is_degraded_once_until_it_recovers(
    calls: list[tuple[str, str]], events: list[tuple[str, str, str | None]], degraded: int
) -> None:
    begun: list[None] = []
    stand_ins = StandIns(lambda: begun.append(None))
    with capture_logs() as logs:
        for wanted, by in calls:
            stand_ins.answered(wanted, by)
            assert instead_of.get() == ("" if wanted == by else wanted)
    assert told(logs) == events
    assert len(begun) == degraded
