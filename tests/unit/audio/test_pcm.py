from __future__ import annotations

import pytest

from antiphon.audio.pcm import Pcm


@pytest.mark.parametrize(
    ("size", "rate_hz", "duration_s"),
    [(0, 16_000, 0.0), (32_000, 16_000, 1.0), (480, 24_000, 0.01), (2, 8_000, 1 / 8_000)],
)
def test_the_duration_follows_from_bytes_and_rate(size: int, rate_hz: int, duration_s: float) -> None:
    assert Pcm(bytes(size), rate_hz).duration_s == duration_s


def test_equal_samples_at_equal_rates_are_equal_audio() -> None:
    assert Pcm(b"\1\0", 8_000) == Pcm(b"\1\0", 8_000)
    assert Pcm(b"\1\0", 8_000) != Pcm(b"\1\0", 16_000)
