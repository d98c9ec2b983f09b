from __future__ import annotations

import io
import struct
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.audio.g711 import encode_alaw, encode_ulaw
from antiphon.audio.wav import is_plain_wav, is_wav, read_wav, wav_header, write_wav
from antiphon.errors import InvalidRequest

RAMP = np.arange(-30_000, 30_000, 7).astype("<i2")


def riff(
    tag: int,
    bits: int,
    body: bytes,
    *,
    channels: int = 1,
    rate_hz: int = 16_000,
    extra: bytes = b"",
    lists: bool = True,
) -> bytes:
    width = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * width, width, bits) + extra
    chunks = b"fmt " + struct.pack("<I", len(form)) + form
    if lists:
        chunks += b"LIST" + struct.pack("<I", 3) + b"abc\0"
    chunks += b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def test_what_is_written_can_be_read_here_and_elsewhere() -> None:
    file = write_wav(RAMP.tobytes(), 24_000)
    assert read_wav(file).data == RAMP.tobytes()
    assert read_wav(file).rate_hz == 24_000
    with wave.open(io.BytesIO(file)) as reader:
        assert (reader.getframerate(), reader.getnchannels(), reader.getnframes()) == (24_000, 1, len(RAMP))
        assert reader.readframes(len(RAMP)) == RAMP.tobytes()


def test_a_header_of_several_channels_or_of_floats_says_so() -> None:
    pcm, floats = RAMP.tobytes(), (RAMP / 32768).astype("<f4").tobytes()
    assert wav_header(48_000, len(pcm), channels=2) + pcm == riff(1, 16, pcm, channels=2, rate_hz=48_000, lists=False)
    assert wav_header(8_000, len(floats), is_float=True) + floats == riff(3, 32, floats, rate_hz=8_000, lists=False)


@pytest.mark.parametrize(
    ("tag", "bits", "body", "step"),
    [
        (1, 8, ((RAMP.astype(int) >> 8) + 128).astype(np.uint8).tobytes(), 256),
        (1, 24, (RAMP.astype("<i4") << 8).view(np.uint8).reshape(-1, 4)[:, :3].tobytes(), 0),
        (1, 32, (RAMP.astype("<i4") << 16).tobytes(), 0),
        (3, 32, (RAMP / 32768).astype("<f4").tobytes(), 0),
        (3, 64, (RAMP / 32768).astype("<f8").tobytes(), 0),
        (6, 8, encode_alaw(RAMP.tobytes()), 512),
        (7, 8, encode_ulaw(RAMP.tobytes()), 512),
    ],
)
def test_every_sample_format_is_read(tag: int, bits: int, body: bytes, step: int) -> None:
    got = np.frombuffer(read_wav(riff(tag, bits, body)).data, "<i2").astype(int)
    assert np.abs(got - RAMP).max() <= step


def test_the_extensible_format_names_its_samples() -> None:
    extra = struct.pack("<HHIH14x", 22, 16, 4, 1)
    assert read_wav(riff(0xFFFE, 16, RAMP.tobytes(), extra=extra)).data == RAMP.tobytes()


def test_channels_are_mixed_to_mono() -> None:
    body = np.stack([RAMP, -RAMP + 100], axis=1).astype("<i2").tobytes()
    assert set(np.frombuffer(read_wav(riff(1, 16, body, channels=2)).data, "<i2")) == {50}


@pytest.mark.parametrize("claimed", [0xFFFFFFFF, 0x7FFFFFFF, len(RAMP) * 2 + 1])
def test_a_data_chunk_that_claims_too_much_gives_what_is_there(claimed: int) -> None:
    file = bytearray(write_wav(RAMP.tobytes(), 16_000))
    file[40:44] = struct.pack("<I", claimed)
    assert read_wav(bytes(file)).data == RAMP.tobytes()


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_live_streams_header_is_read(size: int) -> None:
    file = bytearray(wav_header(16_000) + RAMP.tobytes())
    file[4:8] = file[40:44] = struct.pack("<I", size)
    assert read_wav(bytes(file)).data == RAMP.tobytes()


@pytest.mark.parametrize("claimed", [36, 36 + 2 * len(RAMP), 2**31])
def test_the_file_of_a_recorder_that_was_killed_is_read_to_its_end(claimed: int) -> None:
    file = bytearray(write_wav(RAMP.tobytes(), 16_000))
    file[4:8], file[40:44] = struct.pack("<I", claimed), bytes(4)
    assert read_wav(bytes(file)).data == RAMP.tobytes()


def test_a_sound_of_no_length_with_other_chunks_behind_it_stays_empty() -> None:
    texts = b"LIST" + struct.pack("<I", 17) + b"INFOISFT\x05\0\0\0abcd\0" + bytes(1)
    file = bytearray(write_wav(b"", 16_000) + texts)
    file[4:8] = struct.pack("<I", len(file) - 8)
    assert read_wav(bytes(file)).data == b""


def test_a_file_without_a_sound_is_a_sound_of_no_length() -> None:
    assert read_wav(write_wav(b"", 16_000)).data == b""


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"RIFF",
        b"ID3\x04" + bytes(100),
        b"RIFF\0\0\0\0WAVE",
        b"RIFF\0\0\0\0WAVEdata\x02\0\0\0\1\2",
        b"RIFF\0\0\0\0WAVEfmt \x04\0\0\0\1\0\1\0data\2\0\0\0\1\2",
        riff(1, 16, b"\1\2", channels=0),
        riff(1, 16, b"\1\2", rate_hz=0),
        riff(1, 16, b"\1\2", rate_hz=1_000_000_000),
        riff(85, 16, b"\1\2"),
        riff(1, 12, b"\1\2"),
    ],
)
def test_what_is_no_wav_file_is_the_callers_mistake(file: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_wav(file)
    assert caught.value.param == "file"


def test_chunks_beyond_ten_thousand_are_not_read() -> None:
    chunk, sound = b"junk" + bytes(4), write_wav(RAMP.tobytes(), 16_000)[12:]
    for chunks, is_read in ((9_000, True), (200_000, False)):
        file = b"RIFF\xff\xff\xff\xffWAVE" + chunk * chunks + sound
        if is_read:
            assert read_wav(file).data == RAMP.tobytes()
        else:
            with pytest.raises(InvalidRequest, match="holds no samples"):
                read_wav(file)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(junk: bytes) -> None:
    file = write_wav(RAMP.tobytes()[:100], 16_000)
    for damaged in (junk, file[:12] + junk, file[:20] + junk + file[20 + len(junk) :]):
        try:
            wav = read_wav(damaged)
        except InvalidRequest:
            continue
        assert is_wav(damaged)
        assert len(wav.data) <= 2 * len(damaged) + 2


@pytest.mark.parametrize("claimed", [2 * len(RAMP), 0, 2**63, 2 * len(RAMP) + 10**6])
def test_the_size_of_the_sound_of_an_rf64_file_is_in_its_first_chunk(claimed: int) -> None:
    sizes = b"ds64" + struct.pack("<I3QI", 28, 0, claimed, 0, 0)
    file = b"RF64\xff\xff\xff\xffWAVE" + sizes + riff(1, 16, RAMP.tobytes())[12:]
    file = file.replace(b"data" + struct.pack("<I", 2 * len(RAMP)), b"data\xff\xff\xff\xff")
    trailing = b"LIST" + struct.pack("<I", 4) + b"INFO"
    assert read_wav(file).data == RAMP.tobytes()
    expected = RAMP.tobytes() if claimed == 2 * len(RAMP) else RAMP.tobytes() + trailing
    assert read_wav(file + trailing).data == expected


def test_of_two_descriptions_of_the_format_the_first_counts() -> None:
    first, second = riff(1, 16, RAMP.tobytes(), rate_hz=8_000, lists=False), riff(85, 4, b"", lists=False)
    file = first[:36] + second[12:36] + first[36:]
    assert is_plain_wav(file)
    assert (read_wav(file).rate_hz, read_wav(file).data) == (8_000, RAMP.tobytes())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("bits", "kind"), [(32, "<f4"), (64, "<f8")])
def test_floats_that_are_no_numbers_or_huge_are_silence_or_clipped(bits: int, kind: str) -> None:
    most = np.finfo(kind).max
    left = np.array([np.inf, np.nan, most, -most, most, 0.5])
    right = np.array([-np.inf, 0.0, most, -most, -most, 0.5])
    body = np.stack([left, right], axis=1).astype(kind).tobytes()
    mono = np.frombuffer(read_wav(riff(3, bits, body, channels=2)).data, "<i2")
    assert mono.tolist() == [0, 0, 32767, -32768, 0, 16384]
    alone = np.frombuffer(read_wav(riff(3, bits, left.astype(kind).tobytes())).data, "<i2")
    assert alone.tolist() == [0, 0, 32767, -32768, 32767, 16384]
