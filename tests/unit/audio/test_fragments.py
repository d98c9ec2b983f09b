from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from antiphon.audio.encoder import Encoder
from antiphon.audio.fragments import AAC_FRAME, AAC_RATES_HZ, EncodedFragment, encode_fragment, silence
from antiphon.audio.resample import resample
from antiphon.audio.wav import read_wav, write_wav
from antiphon.errors import InvalidRequest
from tests.fragments import decode_fragment

SPEECH = read_wav((Path(__file__).parents[2] / "audio" / "spk1_snt5.wav").read_bytes())
ONE_S = SPEECH.data[16_000 : 16_000 + 2 * SPEECH.rate_hz]
"""One second out of the middle of speech at 16 kHz."""
RATES_HZ = [*AAC_RATES_HZ, 9_999, 37_123]


def samples_of(data: bytes) -> NDArray[np.float64]:
    return np.frombuffer(data, "<i2").astype(float)


def alike(one: bytes, other: bytes) -> float:
    """The correlation of two sounds as they lie, without any shift."""
    size = min(len(one), len(other)) & ~1
    return float(np.corrcoef(samples_of(one[:size]), samples_of(other[:size]))[0, 1])


def through(rate_hz: int, pcm: bytes = ONE_S) -> bytes:
    """What a sample rate leaves of speech."""
    return resample(resample(pcm, SPEECH.rate_hz, rate_hz), rate_hz, SPEECH.rate_hz)


def file_of(kind: str, pcm: bytes = ONE_S) -> bytes:
    if kind == "wav":
        return write_wav(pcm, SPEECH.rate_hz)
    if kind == "m4a":
        return encode_fragment(pcm, SPEECH.rate_hz, "m4a", SPEECH.rate_hz, 1).data
    encoder = Encoder(kind, SPEECH.rate_hz)
    return encoder.feed(pcm) + encoder.finish()


def refused(data: bytes, declared: str = "m4a", rate_hz: int = 48_000, channels: int = 2) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        decode_fragment(data, declared, rate_hz, channels)
    assert (caught.value.param, caught.value.code) == ("audio.data_base64", "invalid_audio")
    return caught.value


# -- what a client is sent ------------------------------------------------------------------------------------------


def looked_into(encoded: EncodedFragment) -> tuple[int, int, int, list[bytes]]:
    """Return the rate, the samples that the file says it has, those a decoder gives, and these of each channel."""
    import av

    with av.open(io.BytesIO(encoded.data), "r", format="mov") as file:
        [stream] = file.streams
        assert (stream.codec_context.name, stream.profile) == ("aac", "LC")
        assert stream.duration is not None
        assert stream.time_base is not None
        stated = stream.duration * stream.time_base * stream.rate
        planes = np.concatenate([frame.to_ndarray() for frame in file.decode(stream)], axis=1)
        channels = [np.rint(plane * 32767).astype("<i2").tobytes() for plane in planes]
        return stream.rate, int(stated), planes.shape[1], channels


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_an_m4a_holds_the_speech_from_its_first_sample_at_the_rate_asked_for(rate_hz: int, channels: int) -> None:
    encoded = encode_fragment(ONE_S, SPEECH.rate_hz, "m4a", rate_hz, channels)
    file_hz, stated, given_back, heard = looked_into(encoded)
    assert (encoded.format, encoded.rate_hz, len(heard)) == ("m4a", file_hz, channels)
    assert file_hz == rate_hz or rate_hz not in AAC_RATES_HZ
    assert file_hz >= rate_hz
    assert stated == file_hz  # one second, to the sample
    assert 0 <= given_back - stated < AAC_FRAME
    assert encoded.duration_ms == given_back * 1000 / file_hz
    wanted = resample(ONE_S, SPEECH.rate_hz, file_hz)
    assert all(alike(channel, wanted) > 0.99 for channel in heard)


@pytest.mark.parametrize(("rate_hz", "channels"), [(8_000, 2), (22_050, 2), (48_000, 1), (48_000, 2), (96_000, 2)])
def test_an_m4a_comes_back_as_what_it_was(rate_hz: int, channels: int) -> None:
    encoded = encode_fragment(SPEECH.data, SPEECH.rate_hz, "aac", rate_hz, channels)
    back = decode_fragment(encoded.data, "m4a", 48_000, 2)
    assert back.mono.rate_hz == 16_000
    assert back.duration_ms == pytest.approx(encoded.duration_ms, abs=1000 / 16_000)
    assert alike(back.mono.data, through(rate_hz, SPEECH.data)) > 0.99


def test_an_m4a_has_128_kilobits_a_second() -> None:
    file = encode_fragment(SPEECH.data, SPEECH.rate_hz, "m4a", 48_000, 2).data
    assert file[4:12] == b"ftypM4A "
    assert len(file) * 8 / SPEECH.duration_s == pytest.approx(128_000, rel=0.15)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("out_hz", [8_000, 11_025, 44_100, 48_000, 96_000, 37_123])
@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 24_000])
def test_pcm_has_exactly_the_samples_of_its_milliseconds(rate_hz: int, out_hz: int, channels: int) -> None:
    for duration_ms in (1, 20, 333, 1_001):
        mono = bytes(2 * round(duration_ms * rate_hz / 1000))
        wanted = round(duration_ms * out_hz / 1000)
        encoded = encode_fragment(mono, rate_hz, "pcm_s16le", out_hz, channels)
        assert len(encoded.data) == wanted * channels * 2
        assert encoded.duration_ms == wanted * 1000 / out_hz
        assert encoded.rate_hz == out_hz


def test_a_length_that_is_no_whole_number_of_milliseconds_stays_what_it_is() -> None:
    assert len(encode_fragment(bytes(2 * 8), 16_000, "pcm_s16le", 48_000, 1).data) == 2 * 24
    assert len(encode_fragment(bytes(2 * 16_004), 16_000, "pcm_s16le", 8_000, 1).data) == 2 * 8_002


@pytest.mark.parametrize(("declared", "sent"), [("pcm_s16le",) * 2, ("wav", "pcm_s16le"), ("pcm_f32le",) * 2])
@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100])
def test_pcm_comes_back_as_what_it_was(declared: str, sent: str, rate_hz: int) -> None:
    encoded = encode_fragment(ONE_S, SPEECH.rate_hz, declared, rate_hz, 2)
    assert encoded.format == sent
    back = decode_fragment(encoded.data, sent, rate_hz, 2)
    assert back.duration_ms == encoded.duration_ms == 1000.0
    assert alike(back.mono.data, through(rate_hz)) > 0.99
    assert rate_hz != SPEECH.rate_hz or back.mono.data == ONE_S


def test_both_channels_carry_the_same() -> None:
    both = np.frombuffer(encode_fragment(ONE_S, SPEECH.rate_hz, "pcm_s16le", 48_000, 2).data, "<i2").reshape(-1, 2)
    assert both.any()
    assert (both[:, 0] == both[:, 1]).all()


@pytest.mark.parametrize("wanted", ["m4a", "wav", "pcm_f32le"])
def test_silence_lasts_as_long_as_was_asked(wanted: str) -> None:
    quiet = silence(1_500, wanted, 44_100, 2)
    back = decode_fragment(quiet.data, quiet.format, 44_100, 2)
    assert not samples_of(back.mono.data).any()
    assert 0 <= back.duration_ms - 1_500 < (1000 * AAC_FRAME / 44_100 if wanted == "m4a" else 0.001)


def test_of_nothing_at_all_there_is_still_a_file() -> None:
    encoded = silence(0, "m4a", 48_000, 2)
    assert decode_fragment(encoded.data, "m4a", 48_000, 2).duration_ms == pytest.approx(encoded.duration_ms, abs=0.1)
    assert silence(0, "wav", 48_000, 2).data == b""


def test_an_unknown_format_is_named_in_both_directions() -> None:
    for call in (
        lambda: encode_fragment(ONE_S, SPEECH.rate_hz, "mp3", 48_000, 2),
        lambda: decode_fragment(ONE_S, "mp3", 48_000, 2),
    ):
        with pytest.raises(InvalidRequest, match="mp3") as caught:
            call()
        assert caught.value.param == "audio.format"


# -- what a client sends --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("declared", ["m4a", "aac", "wav"])
@pytest.mark.parametrize("kind", ["wav", "m4a", "mp3", "aac", "opus", "flac"])
def test_a_file_is_what_it_is_whatever_was_declared(declared: str, kind: str) -> None:
    decoded = decode_fragment(file_of(kind), declared, 48_000, 2)
    # raw AAC and MP3 have no word for the silence that their encoder put before and behind
    assert 0 <= decoded.duration_ms - 1000 < (200 if kind in {"mp3", "aac"} else 70)


@pytest.mark.parametrize("declared", ["pcm_s16le", "pcm_f32le"])
@pytest.mark.parametrize("kind", ["wav", "m4a", "opus", "flac"])
def test_a_file_that_was_declared_as_pcm_is_read_as_a_file(declared: str, kind: str) -> None:
    decoded = decode_fragment(file_of(kind), declared, 48_000, 2)
    assert 0 <= decoded.duration_ms - 1000 < 70
    assert kind == "opus" or alike(decoded.mono.data, ONE_S) > 0.99


@pytest.mark.parametrize("begin", [b"\xff\xff\xff\xff", b"\xff\xfb\x90\x00", b"\xff\xf1\x50\x80", b"ID3\x04", b"RIFF"])
def test_pcm_that_begins_a_little_like_a_file_stays_pcm(begin: bytes) -> None:
    pcm = begin + ONE_S[4:]
    assert decode_fragment(pcm, "pcm_s16le", SPEECH.rate_hz, 1).mono.data == pcm


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 44_100, 96_000])
def test_pcm_has_the_rate_and_the_channels_that_were_declared(rate_hz: int) -> None:
    both = np.stack([samples_of(resample(ONE_S, SPEECH.rate_hz, rate_hz))] * 2, axis=1)
    both[:, 1] = 0
    decoded = decode_fragment(both.astype("<i2").tobytes(), "pcm_s16le", rate_hz, 2)
    assert decoded.duration_ms == len(both) * 1000 / rate_hz
    assert len(decoded.mono.data) == pytest.approx(2 * 16_000, abs=4)
    assert alike(decoded.mono.data, through(rate_hz)) > 0.99
    assert np.std(samples_of(decoded.mono.data)) == pytest.approx(np.std(samples_of(through(rate_hz))) / 2, rel=0.05)


def test_what_is_left_of_a_cut_sample_is_dropped() -> None:
    for rest in (b"\1", b"\1\2\3"):
        assert decode_fragment(ONE_S + rest, "pcm_s16le", 16_000, 2) == decode_fragment(ONE_S, "pcm_s16le", 16_000, 2)
    floats = np.zeros(100, "<f4").tobytes()
    assert decode_fragment(floats + bytes(7), "pcm_f32le", 16_000, 2).duration_ms == 50 / 16


def test_floats_that_are_no_numbers_are_silence_and_loud_ones_full_scale() -> None:
    wild = np.array([np.nan, np.inf, -np.inf, 0.5, 3e38, -7.0], "<f4")
    decoded = decode_fragment(wild.tobytes(), "pcm_f32le", 16_000, 1)
    assert samples_of(decoded.mono.data).tolist() == [0, 0, 0, 16_384, 32_767, -32_768]


@pytest.mark.parametrize(
    "data",
    [
        b"\0",
        b"this is a text",
        b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n",
        b"\x00\x00\x00\x20ftypM4A " + bytes(1_000),
        b"RIFF\xff\xff\xff\xffWAVEfmt " + bytes(40),
        write_wav(b"", 16_000),
        b"ID3\x04\x00\x00\x00\x00\x00\x00",
        ONE_S,
    ],
)
def test_what_is_no_sound_is_refused(data: bytes) -> None:
    refused(data)


@pytest.mark.parametrize(("declared", "size"), [("pcm_s16le", 3), ("pcm_f32le", 7)])
def test_less_than_a_sample_is_refused(declared: str, size: int) -> None:
    assert "whole sample" in refused(bytes(size), declared).message


def test_more_than_a_minute_is_refused_and_a_minute_is_not() -> None:
    minute = bytes(2 * 8_000 * 60)
    assert decode_fragment(minute, "pcm_s16le", 8_000, 1).duration_ms == 60_000
    encoded = encode_fragment(minute, 8_000, "m4a", 8_000, 1)
    assert decode_fragment(encoded.data, "m4a", 8_000, 1).duration_ms == pytest.approx(encoded.duration_ms, abs=0.1)
    assert "60 s" in refused(minute + bytes(2), "pcm_s16le", 8_000, 1).message
    assert "longer" in refused(write_wav(minute + bytes(2 * 8_000), 8_000)).message


def test_silence_that_unpacks_to_much_more_is_refused() -> None:
    encoder = Encoder("flac", 16_000)
    ten_minutes = encoder.feed(bytes(2 * 16_000 * 600)) + encoder.finish()
    assert len(ten_minutes) < 150_000
    assert "longer" in refused(ten_minutes).message


FILES = {kind: file_of(kind) for kind in ("wav", "m4a", "aac")}


@given(
    st.sampled_from(sorted(FILES)),
    st.sampled_from(["m4a", "wav", "aac", "pcm_s16le", "pcm_f32le"]),
    st.lists(st.tuples(st.integers(0, 20_000), st.binary(min_size=1, max_size=8)), max_size=6),
    st.integers(1, 20_000),
)
def test_whatever_comes_is_decoded_or_refused(
    kind: str, declared: str, wounds: list[tuple[int, bytes]], end: int
) -> None:
    file = bytearray(FILES[kind])
    for place, junk in wounds:
        start = place % len(file)
        file[start : start + len(junk)] = junk
    error = None
    try:
        decoded = decode_fragment(bytes(file[:end]), declared, 8_000, 1)
        assert 0 < decoded.duration_ms <= 60_300
        assert decoded.mono.duration_s * 1000 == pytest.approx(decoded.duration_ms, abs=1)
    except InvalidRequest as refusal:
        error = refusal
    assert error is None or (error.param, error.code) == ("audio.data_base64", "invalid_audio")
