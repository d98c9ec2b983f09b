"""Putting a track together: every piece at its place, what is too long under the next, nothing lost or added."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.audio.pcm import Samples
from antiphon.audio.timeline import Timeline

RATE_HZ = 1_000
FADE = 10


def level(frames: int, value: int, channels: int = 1) -> Samples:
    return np.full((frames, channels), value, np.int16)


def track(pieces: list[tuple[int, Samples]], end: int, channels: int = 1) -> Samples:
    timeline = Timeline(RATE_HZ, channels)
    parts = [timeline.place(start, piece) for start, piece in pieces]
    return np.concatenate([*parts, timeline.finish(end)])


def test_pieces_stand_at_their_places_with_silence_between() -> None:
    whole = track([(0, level(50, 100)), (100, level(50, 200))], 200)
    expected = np.concatenate([level(50, 100), level(50, 0), level(50, 200), level(50, 0)])
    assert np.array_equal(whole, expected)


def test_what_is_too_long_sounds_on_under_the_next_and_ends_without_a_click() -> None:
    whole = track([(0, level(130, 100)), (100, level(100, 1_000))], 200)[:, 0]
    assert (whole[:100] == 100).all()
    assert whole[100] == 100  # the next one is faded in
    assert (whole[110:120] == 1_100).all()
    assert (np.diff(whole[120:130].astype(int)) <= 0).all()  # and this one out
    assert whole[129] == 1_000
    assert (whole[130:] == 1_000).all()


def test_what_is_too_long_is_not_cut_where_the_next_is_shorter_than_it() -> None:
    whole = track([(0, level(150, 100)), (100, level(10, 1_000)), (200, level(5, 7))], 205)[:, 0]
    assert (whole[110:140] == 100).all()
    assert (whole[150:200] == 0).all()
    assert (whole[200:] == 7).all()


def test_where_nothing_overlaps_nothing_is_faded() -> None:
    whole = track([(0, level(100, 100)), (100, level(100, 300))], 200)
    assert np.array_equal(whole, np.concatenate([level(100, 100), level(100, 300)]))


def test_the_track_ends_where_it_should_and_what_would_sound_on_is_faded_out() -> None:
    whole = track([(0, level(130, 1_000))], 100)[:, 0]
    assert len(whole) == 100
    assert (whole[:90] == 1_000).all()
    assert whole[-1] == 0


def test_what_was_returned_already_is_not_taken_back_at_the_end() -> None:
    timeline = Timeline(RATE_HZ, 1)
    timeline.place(0, level(10, 5))
    assert len(timeline.place(100, level(50, 5))) == 100
    assert len(timeline.finish(100)) == 0


def test_loud_pieces_that_meet_are_clipped_and_not_wrapped() -> None:
    whole = track([(0, level(200, 30_000)), (100, level(100, 30_000))], 200)
    assert whole.max() == 32_767
    assert whole.min() >= 0


def test_the_bed_lies_under_the_piece_at_its_volume() -> None:
    timeline = Timeline(RATE_HZ, 2)
    timeline.place(0, level(50, 100, 2), level(100, 1_000, 2), 0.25)
    whole = timeline.finish(100)
    assert (whole[:50] == 350).all()
    assert (whole[50:] == 250).all()


def test_the_bed_is_not_faded_where_speech_before_it_sounds_on() -> None:
    timeline = Timeline(RATE_HZ, 1)
    first = timeline.place(0, level(120, 0), level(100, 1_000), 0.5)
    assert len(first) == 0
    whole = np.concatenate([timeline.place(100, level(0, 0), level(100, 1_000), 0.5), timeline.finish(200)])
    assert (whole == 500).all()


@pytest.mark.parametrize("channels", [1, 2])
@given(lengths=st.lists(st.tuples(st.integers(1, 300), st.integers(1, 400)), max_size=8))
def test_the_track_is_as_long_as_its_pieces_places_say_and_holds_what_was_not_mixed(
    channels: int, lengths: list[tuple[int, int]]
) -> None:
    pieces: list[tuple[int, Samples]] = []
    start = 0
    for number, (place, length) in enumerate(lengths, 1):
        pieces.append((start, level(length, number * 100, channels)))
        start += place
    whole = track(pieces, start, channels)
    assert whole.shape == (start, channels)
    for (at, piece), (place, _) in zip(pieces, lengths, strict=True):
        heard = whole[at : at + min(place, len(piece))]
        inside = heard[FADE : len(heard) - FADE]
        assert (inside >= piece[:1]).all()
