"""Samples become windows, whatever pieces they come in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.audio.windows import WINDOW_BYTES, WindowCutter, mean_squares


@given(st.lists(st.integers(0, 3_000), max_size=12), st.integers(0, 2**32 - 1))
def test_the_windows_do_not_depend_on_the_pieces(cuts: list[int], seed: int) -> None:
    data = np.random.default_rng(seed).bytes(sum(cuts))
    cutter, windows, at = WindowCutter(), list[bytes](), 0
    for cut in cuts:
        windows += [window.tobytes() for window in cutter.push(data[at : at + cut])]
        at += cut
    assert b"".join(windows) == data[: len(data) // WINDOW_BYTES * WINDOW_BYTES]
    assert all(len(window) == WINDOW_BYTES for window in windows)


def test_a_cleared_cutter_has_forgotten_the_rest() -> None:
    cutter = WindowCutter()
    cutter.push(b"\x01" * 1_000)
    cutter.clear()
    assert len(cutter.push(b"\x02" * 1_000)) == 0
    assert cutter.push(b"\x02" * 24).tobytes() == b"\x02" * WINDOW_BYTES


def test_power_is_measured_in_full_scale() -> None:
    windows = np.stack([np.zeros(512), np.full(512, 16_384), np.full(512, -32_768)]).astype("<i2")
    assert mean_squares(windows) == pytest.approx([0.0, 0.25, 1.0])
