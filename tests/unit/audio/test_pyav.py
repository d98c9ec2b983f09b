from __future__ import annotations

import io
import math

import numpy as np
import pytest

from antiphon.audio import pyav
from antiphon.audio.encoder import Encoder
from antiphon.audio.opening import open_source, sound_track
from antiphon.audio.pyav import MPEG_RATES_HZ, OPUS_RATES_HZ, decoded, invalid_audio, nearest_rate, need_av
from antiphon.errors import InvalidRequest, Unsupported

RATE_HZ = 16_000
NOISE = np.random.default_rng(1).integers(-9_000, 9_000, 4 * RATE_HZ).astype("<i2").tobytes()


def mp3() -> bytes:
    encoder = Encoder("mp3", RATE_HZ)
    return encoder.feed(NOISE) + encoder.finish()


def seconds_of(file: bytes, within_s: float = math.inf) -> float:
    with open_source(io.BytesIO(file), "mp3") as source:
        frames = decoded(source, sound_track(source), within_s)
        return sum(frame.samples / frame.sample_rate for frame in frames)


@pytest.mark.parametrize(
    ("rate_hz", "rates_hz", "nearest"),
    [
        (16_000, MPEG_RATES_HZ, 16_000),
        (9_999, MPEG_RATES_HZ, 11_025),
        (4_000, MPEG_RATES_HZ, 8_000),
        (96_000, MPEG_RATES_HZ, 48_000),
        (44_100, OPUS_RATES_HZ, 48_000),
        (37_123, (), 37_123),
    ],
)
def test_the_nearest_rate_loses_nothing_where_the_codec_has_one(
    rate_hz: int, rates_hz: tuple[int, ...], nearest: int
) -> None:
    assert nearest_rate(rate_hz, rates_hz) == nearest


def test_a_track_is_decoded_to_its_end() -> None:
    assert seconds_of(mp3()) == pytest.approx(4, abs=0.2)


def test_a_broken_packet_is_skipped() -> None:
    file = bytearray(mp3())
    file[8_000:8_200] = bytes(200)
    assert 3 < seconds_of(bytes(file)) < 4.2


def test_a_track_that_takes_too_long_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="cannot be decoded within 0 s") as caught:
        seconds_of(mp3(), 0)
    assert (caught.value.param, caught.value.code) == ("file", "invalid_audio")


@pytest.mark.parametrize("extra", ["local", "dub"])
def test_without_pyav_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch, extra: str) -> None:
    need_av(extra)
    monkeypatch.setattr(pyav, "find_spec", lambda _: None)
    with pytest.raises(Unsupported, match=rf"pip install 'antiphon\[{extra}\]'") as caught:
        need_av(extra)
    assert caught.value.code == "library_missing"


def test_the_error_of_a_file_names_its_field() -> None:
    error = invalid_audio("no sound")
    assert (error.message, error.param, error.code) == ("no sound", "file", "invalid_audio")
