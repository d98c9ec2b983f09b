"""Cutting a recording: where it is quiet, within the lengths that were promised, and nothing is lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.audio.cutting import FragmentCutter, pieces, quiet_place
from antiphon.audio.pcm import Samples
from antiphon.errors import InvalidRequest

RATE_HZ = 8_000


def loud(seconds: float, channels: int = 1) -> Samples:
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    wave = (np.sin(time * 2 * np.pi * 200) * 9_000).astype(np.int16)
    return np.repeat(wave[:, None], channels, axis=1)


def silent(seconds: float, channels: int = 1) -> Samples:
    return np.zeros((round(seconds * RATE_HZ), channels), np.int16)


def cut(sound: Samples, chunk_ms: int, block: int = 1_111, *, fixed: bool = False) -> list[Samples]:
    cutter = FragmentCutter(RATE_HZ, chunk_ms, fixed=fixed)
    fragments = [one for at in range(0, len(sound), block) for one in cutter.feed(sound[at : at + block])]
    return fragments + cutter.finish()


def seconds(fragments: list[Samples]) -> list[float]:
    return [len(one) / RATE_HZ for one in fragments]


def test_a_cut_lies_in_the_pause_between_two_words() -> None:
    sound = np.concatenate([loud(1.5), silent(0.12), loud(3.0)])
    assert seconds(cut(sound, 2_000))[0] == pytest.approx(1.56, abs=0.02)


def test_a_pause_before_six_tenths_is_not_used() -> None:
    sound = np.concatenate([loud(0.8), silent(0.3), loud(0.6), loud(0.15) // 8, loud(3.0)])
    assert seconds(cut(sound, 2_000))[0] == pytest.approx(1.8, abs=0.02)


def test_of_equally_quiet_places_the_last_is_taken() -> None:
    assert seconds(cut(silent(9.0), 2_000))[0] == pytest.approx(1.95, abs=0.01)


def test_fixed_fragments_are_of_one_length_but_the_last() -> None:
    sound = np.concatenate([loud(1.5), silent(0.3), loud(2.7)])
    assert seconds(cut(sound, 2_000, fixed=True)) == [2.0, 2.0, 0.5]


def test_a_short_rest_is_shared_by_the_last_two() -> None:
    sound = np.concatenate([loud(1.1), silent(0.1), loud(0.9)])
    lengths = seconds(cut(sound, 2_000))
    assert lengths == [pytest.approx(1.15, abs=0.02), pytest.approx(0.95, abs=0.02)]


def test_what_is_not_longer_than_a_fragment_is_one() -> None:
    assert seconds(cut(loud(2.0), 2_000)) == [2.0]
    assert cut(silent(0.0), 2_000) == []


def test_stereo_is_cut_where_both_sides_are_quiet() -> None:
    sound = np.concatenate([loud(1.3, 2), silent(0.15, 2), loud(4.0, 2)])
    sound[round(1.6 * RATE_HZ) : round(1.8 * RATE_HZ), 0] = 0  # one side only
    fragments = cut(sound, 2_000)
    assert seconds(fragments)[0] == pytest.approx(1.4, abs=0.02)
    assert np.array_equal(np.concatenate(fragments), sound)


@given(
    lengths=st.lists(st.tuples(st.floats(0, 4), st.booleans()), max_size=6),
    chunk_ms=st.integers(1_000, 3_000),
    block=st.integers(100, 30_000),
    fixed=st.booleans(),
)
def test_fragments_join_to_the_recording_and_keep_to_their_lengths(
    lengths: list[tuple[float, bool]], chunk_ms: int, block: int, fixed: bool
) -> None:
    parts = [loud(length) if is_loud else silent(length) for length, is_loud in lengths]
    sound = np.concatenate([silent(0.0), *parts])
    fragments = cut(sound, chunk_ms, block, fixed=fixed)
    assert np.array_equal(np.concatenate([silent(0.0), *fragments]), sound)
    most = RATE_HZ * chunk_ms // 1000
    assert all(0 < len(one) <= most for one in fragments)
    assert all(len(one) >= 0.6 * most - 1 for one in fragments[:-2])
    if not fixed and len(fragments) > 1:
        assert min(map(len, fragments)) >= 0.34 * most
    whole = cut(sound, chunk_ms, max(1, len(sound)), fixed=fixed)
    assert seconds(whole) == seconds(fragments)  # however it was fed


@given(
    lengths=st.lists(st.tuples(st.floats(0, 40), st.booleans()), max_size=6),
    longest_s=st.integers(5, 60),
    odd=st.booleans(),
)
def test_pieces_join_to_the_recording_and_none_is_too_long(
    lengths: list[tuple[float, bool]], longest_s: int, odd: bool
) -> None:
    rate_hz = 100
    pcm = b"".join((b"\x10\x20" if is_loud else b"\0\0") * int(length * rate_hz) for length, is_loud in lengths)
    found = list(pieces(pcm + b"x" * odd, rate_hz, longest_s))
    assert b"".join(piece for _, piece in found) == pcm
    assert all(len(piece) <= 2 * rate_hz * longest_s for _, piece in found)
    assert [start for start, _ in found] == [
        sum(len(piece) // 2 for _, piece in found[:count]) for count in range(len(found))
    ]


def test_pieces_are_cut_where_it_is_quiet_and_about_as_long_as_one_another() -> None:
    rate_hz, second = 1_000, b"\x10\x20" * 1_000
    pcm = second * 47 + bytes(2_000) + second * 45 + bytes(2_000) + second * 10
    found = list(pieces(pcm, rate_hz, 60))
    assert [start / rate_hz for start, _ in found] == pytest.approx([0, 47.95], abs=0.05)


@pytest.mark.parametrize("chunk_ms", [0, 999, 10_001])
def test_lengths_that_no_stream_announces_are_refused(chunk_ms: int) -> None:
    with pytest.raises(InvalidRequest) as refused:
        FragmentCutter(RATE_HZ, chunk_ms)
    assert refused.value.param == "chunk_ms"


def test_of_hardly_any_sound_the_middle_is_taken() -> None:
    assert quiet_place(loud(0.08), RATE_HZ) == round(0.04 * RATE_HZ)
