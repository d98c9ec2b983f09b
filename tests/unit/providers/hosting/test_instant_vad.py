"""Detectors on the event loop: when scores are reported, and when no longer."""

from __future__ import annotations

import asyncio

import pytest

from antiphon.audio.windows import WINDOW_BYTES, Windows
from antiphon.providers.hosting.instant_vad import InstantStream, InstantVoiceActivity

WINDOW = bytes(WINDOW_BYTES)


class Numbering:
    """Scores the n-th window of a stream as n."""

    def __init__(self) -> None:
        self._number = 0

    def score(self, windows: Windows) -> list[float]:
        first, self._number = self._number, self._number + len(windows)
        return [float(number) for number in range(first, self._number)]


def opened(calls: list[list[float]]) -> InstantStream:
    return InstantVoiceActivity("numbering", Numbering).open(lambda scores: calls.append(list(scores)))


async def test_all_windows_of_a_turn_are_reported_in_one_call_of_the_next() -> None:
    calls: list[list[float]] = []
    stream = opened(calls)
    stream.feed(WINDOW * 2)
    stream.feed(WINDOW)
    assert calls == []
    await asyncio.sleep(0)
    assert calls == [[0.0, 1.0, 2.0]]
    stream.feed(WINDOW)
    await asyncio.sleep(0)
    assert calls[1:] == [[3.0]]


@pytest.mark.parametrize("piece_bytes", [1, 333, WINDOW_BYTES - 1, WINDOW_BYTES + 1])
async def test_windows_are_cut_wherever_the_pieces_end(piece_bytes: int) -> None:
    calls: list[list[float]] = []
    stream, samples = opened(calls), WINDOW * 3 + b"\0"
    for start in range(0, len(samples), piece_bytes):
        stream.feed(samples[start : start + piece_bytes])
    await asyncio.sleep(0)
    assert calls == [[0.0, 1.0, 2.0]]


async def test_a_reset_drops_scores_the_rest_of_a_window_and_the_memory() -> None:
    calls: list[list[float]] = []
    stream = opened(calls)
    stream.feed(WINDOW + WINDOW[:-1])
    stream.reset()
    stream.feed(b"\0")
    await asyncio.sleep(0)
    assert calls == []
    stream.feed(WINDOW)
    await asyncio.sleep(0)
    assert calls == [[0.0]]


async def test_a_closed_stream_reports_nothing() -> None:
    calls: list[list[float]] = []
    stream = opened(calls)
    stream.feed(WINDOW)
    stream.close()
    stream.feed(WINDOW)
    await asyncio.sleep(0)
    assert calls == []


async def test_streams_have_memories_of_their_own() -> None:
    first, second = list[list[float]](), list[list[float]]()
    opened(first).feed(WINDOW * 2)
    opened(second).feed(WINDOW)
    await asyncio.sleep(0)
    assert (first, second) == ([[0.0, 1.0]], [[0.0]])


def test_it_has_its_name_and_streams() -> None:
    capabilities = InstantVoiceActivity("numbering", Numbering).capabilities
    assert (capabilities.name, capabilities.streams) == ("numbering", True)
