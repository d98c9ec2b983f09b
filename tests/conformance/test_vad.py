"""What every `VoiceActivity` promises."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence

import pytest

from antiphon.ports.vad import VoiceActivity, VoiceStream
from tests.conformance.detectors import WEIGHTS, WINDOW_BYTES, Listener, make, scores_of, settle
from tests.conformance.recognisers import recording

NAMES = [pytest.param(name, marks=pytest.mark.engines(weights) if weights else ()) for name, weights in WEIGHTS.items()]
SILENCE = bytes(WINDOW_BYTES * 20)


@pytest.fixture(params=NAMES)
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[VoiceActivity]:
    made = make(request.param)
    await made.start()
    yield made
    await made.close()


@pytest.fixture(scope="module")
def speech() -> bytes:
    """1.8 s of a voice between two silences."""
    return SILENCE + recording("spk2_snt2.wav").data + SILENCE


async def test_each_window_is_told_once_whatever_the_pieces(engine: VoiceActivity, speech: bytes) -> None:
    whole = await scores_of(engine, speech)
    assert len(whole) == len(speech) // WINDOW_BYTES
    for piece_bytes in (1_024, 640, 333, 9_601):
        pieces = await scores_of(engine, speech, piece_bytes=piece_bytes)
        assert pieces == pytest.approx(whole, abs=1e-3)


async def test_a_voice_is_told_from_silence(engine: VoiceActivity, speech: bytes) -> None:
    scores = await scores_of(engine, speech)
    assert all(0 <= score <= 1 for score in scores)
    assert max(scores[:18]) < 0.1
    assert max(scores) > 0.9
    voiced = [place for place, score in enumerate(scores) if score > 0.5]
    assert len(voiced) > 15
    assert scores[-1] < 0.5


async def test_an_unfinished_window_waits_for_its_rest(engine: VoiceActivity) -> None:
    listener = Listener()
    stream = engine.open(listener)
    stream.feed(bytes(WINDOW_BYTES - 1))
    await settle(engine)
    assert listener.scores == []
    stream.feed(b"\x00")
    await listener.reach(1)
    await settle(engine)
    assert len(listener.scores) == 1


async def test_nothing_is_told_from_inside_feed_and_all_of_it_on_the_loop(engine: VoiceActivity, speech: bytes) -> None:
    feeding, seen = [False], list[tuple[bool, int]]()

    def on_scores(scores: Sequence[float]) -> None:
        seen.extend((feeding[0], threading.get_ident()) for _ in scores)

    stream = engine.open(on_scores)
    feeding[0] = True
    stream.feed(speech)
    feeding[0] = False
    async with asyncio.timeout(60):
        while len(seen) < len(speech) // WINDOW_BYTES:
            await asyncio.sleep(0.002)
    assert set(seen) == {(False, threading.get_ident())}


async def test_after_a_reset_the_past_is_neither_told_nor_remembered(engine: VoiceActivity, speech: bytes) -> None:
    fresh = await scores_of(engine, speech)
    listener = Listener()
    stream = engine.open(listener)
    stream.feed(speech)
    await listener.reach(5)  # a batch may be at work
    stream.feed(speech + b"\x01")
    stream.reset()
    listener.scores.clear()
    stream.feed(speech)
    await listener.reach(len(fresh))
    await settle(engine)
    assert listener.scores == pytest.approx(fresh, abs=1e-3)


async def test_a_closed_stream_tells_nothing(engine: VoiceActivity, speech: bytes) -> None:
    listener = Listener()
    stream = engine.open(listener)
    stream.feed(speech)
    stream.close()
    stream.feed(speech)
    stream.close()
    await settle(engine)
    assert listener.scores == []


async def test_streams_do_not_hear_each_other(engine: VoiceActivity, speech: bytes) -> None:
    texts = [speech[place * WINDOW_BYTES :] for place in range(24)]
    alone = [await scores_of(engine, text) for text in texts]
    together = await asyncio.gather(*(scores_of(engine, text, piece_bytes=640) for text in texts))
    for one, other in zip(alone, together, strict=True):
        assert other == pytest.approx(one, abs=1e-3)


async def test_a_callback_may_feed_reset_and_close(engine: VoiceActivity, speech: bytes) -> None:
    calls: list[int] = []
    streams: list[VoiceStream] = []

    def on_scores(scores: Sequence[float]) -> None:
        calls.append(len(scores))
        if len(calls) == 1:
            streams[0].reset()
            streams[0].feed(speech)
        elif len(calls) == 2:
            streams[0].feed(speech)
            streams[1].close()
        else:
            streams[0].close()

    other = Listener()
    streams += [engine.open(on_scores), engine.open(other)]
    streams[0].feed(speech)
    async with asyncio.timeout(60):
        while len(calls) < 3:
            await asyncio.sleep(0.002)
    told = len(calls)
    streams[1].feed(speech)
    await settle(engine)
    assert len(calls) == told
    assert other.scores == []


async def test_closing_twice_is_fine_and_ends_all_telling(engine: VoiceActivity, speech: bytes) -> None:
    listener = Listener()
    stream = engine.open(listener)
    await engine.close()
    await engine.close()
    stream.close()
    assert engine.capabilities.name in WEIGHTS
    assert listener.scores == []
