from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.audio.containers import decode
from antiphon.audio.encoder import Encoder
from antiphon.audio.resample import resample
from antiphon.audio.wav import read_wav

RECORDING = read_wav((Path(__file__).parents[2] / "audio" / "jfk.wav").read_bytes())
SPEECH = resample(RECORDING.data, RECORDING.rate_hz, 24_000)
CODED = ["mp3", "opus", "aac", "flac"]


def stream(kind: str, rate_hz: int, piece_bytes: int) -> list[bytes]:
    encoder = Encoder(kind, rate_hz)
    pieces = [encoder.feed(SPEECH[start : start + piece_bytes]) for start in range(0, len(SPEECH), piece_bytes)]
    return [*pieces, encoder.finish()]


@pytest.mark.parametrize("kind", [*CODED, "wav"])
def test_the_joined_pieces_are_a_file_as_long_as_the_speech(kind: str) -> None:
    sound = decode(b"".join(stream(kind, 24_000, 9_601)), 24_000)
    assert sound.duration_s == pytest.approx(11.0, abs=0.12)


@pytest.mark.parametrize("kind", [*CODED, "wav", "pcm"])
def test_a_file_does_not_depend_on_how_its_samples_came(kind: str) -> None:
    cut, whole = b"".join(stream(kind, 24_000, 4_801)), b"".join(stream(kind, 24_000, len(SPEECH)))
    if kind == "opus":  # its pages, and the random number of its stream, differ
        assert decode(cut, 24_000).data == decode(whole, 24_000).data
    else:
        assert cut == whole


@pytest.mark.parametrize("kind", CODED)
def test_sound_leaves_within_300_ms_of_its_arrival(kind: str) -> None:
    encoder = Encoder(kind, 24_000)
    sent = b"".join(encoder.feed(SPEECH[start : start + 4_800]) for start in range(0, 48_000 * 2, 4_800))
    heard_s = decode(sent, 24_000).duration_s
    assert 1.7 <= heard_s <= 2.05


@pytest.mark.parametrize("kind", CODED)
@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_any_rate_can_be_encoded(kind: str, rate_hz: int) -> None:
    sound = decode(b"".join(stream(kind, rate_hz, 100_001)), 24_000)
    assert sound.duration_s == pytest.approx(len(SPEECH) / 2 / rate_hz, abs=0.2)


MAGIC = [("mp3", b"\xff"), ("opus", b"OggS"), ("aac", b"\xff\xf1"), ("flac", b"fLaC")]


@pytest.mark.parametrize(("kind", "magic"), MAGIC)
def test_a_file_begins_as_its_kind_does(kind: str, magic: bytes) -> None:
    assert b"".join(stream(kind, 24_000, 48_000)).startswith(magic)


@pytest.mark.parametrize("kind", [*CODED, "wav", "pcm"])
def test_no_samples_make_an_empty_file_and_no_error(kind: str) -> None:
    encoder = Encoder(kind, 24_000)
    assert len(encoder.feed(b"") + encoder.finish()) < 10_000


def test_compressed_speech_is_small() -> None:
    sizes = {kind: len(b"".join(stream(kind, 24_000, 48_000))) * 8 / 11 / 1000 for kind in CODED}
    assert sizes["mp3"] < 70
    assert sizes["opus"] < 40
    assert sizes["aac"] < 75
    assert sizes["flac"] < 320
