from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.audio import pyav
from antiphon.audio.containers import decode, decoded_pieces
from antiphon.audio.encoder import Encoder
from antiphon.audio.resample import resample
from antiphon.audio.wav import read_wav, wav_header, write_wav
from antiphon.errors import InvalidRequest, Unsupported

AUDIO = Path(__file__).parents[2] / "audio"
SPEECH = read_wav((AUDIO / "spk1_snt5.wav").read_bytes())
RATE_HZ = 16_000


def encoded(kind: str, pcm: bytes = SPEECH.data, rate_hz: int = RATE_HZ) -> bytes:
    encoder = Encoder(kind, rate_hz)
    return encoder.feed(pcm) + encoder.finish()


def in_container(container: str, codec: str, pcm: bytes = SPEECH.data, *, layout: str = "mono") -> bytes:
    """A file as another program would write it: with an index, and tags."""
    import io

    import av

    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        out.metadata["title"] = "spoken"
        stream = out.add_stream(codec, rate=48_000, layout=layout, options={"strict": "-2"})
        stream.bit_rate = 96_000
        samples = np.frombuffer(resample(pcm, RATE_HZ, 48_000), "<i2")
        channels = 2 if layout == "stereo" else 1
        frame = av.AudioFrame.from_ndarray(np.repeat(samples, channels).reshape(1, -1), "s16", layout)
        frame.sample_rate = 48_000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file.getvalue()


def likeness(one: bytes, other: bytes) -> float:
    """The correlation of two recordings at the best of all shifts up to 100 ms: 1.0 is the same."""
    a, b = (np.frombuffer(data, "<i2").astype(float) for data in (one, other))
    size = 1 << (len(a) + len(b)).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size)), size)
    near = np.concatenate([correlation[: RATE_HZ // 10], correlation[-RATE_HZ // 10 :]])
    return float(near.max() / np.sqrt((a**2).sum() * (b**2).sum()))


# the recording has sound up to 8 kHz, of which a change of the rate takes one per cent
FILES = {
    "mp3": (lambda: encoded("mp3"), 0.97),
    "opus": (lambda: encoded("opus"), 0.95),
    "aac": (lambda: encoded("aac"), 0.98),
    "flac": (lambda: encoded("flac"), 0.9999),
    "wav": (lambda: encoded("wav"), 0.9999),
    "mp3+tags": (lambda: in_container("mp3", "libmp3lame"), 0.98),
    "mp4": (lambda: in_container("mp4", "aac"), 0.95),
    "m4a": (lambda: in_container("ipod", "aac", layout="stereo"), 0.95),
    "webm": (lambda: in_container("webm", "libopus"), 0.95),
    "vorbis": (lambda: in_container("ogg", "vorbis", layout="stereo"), 0.9),
    "mkv": (lambda: in_container("matroska", "mp3"), 0.98),
    "aiff": (lambda: in_container("aiff", "pcm_s16be"), 0.985),
    "adpcm": (lambda: in_container("wav", "adpcm_ima_wav"), 0.95),
    "wav24": (lambda: in_container("wav", "pcm_s24le", layout="stereo"), 0.985),
    "au": (lambda: in_container("au", "pcm_s16be"), 0.985),
    "caf": (lambda: in_container("caf", "pcm_s16be"), 0.985),
    "wma": (lambda: in_container("asf", "wmav2"), 0.95),
}


@pytest.mark.parametrize("kind", FILES)
def test_every_kind_of_file_gives_the_speech_that_is_in_it(kind: str) -> None:
    file, floor = FILES[kind]
    sound = decode(file(), RATE_HZ)
    assert sound.rate_hz == RATE_HZ
    assert sound.duration_s == pytest.approx(SPEECH.duration_s, abs=0.15)
    assert likeness(SPEECH.data, sound.data) > floor


@pytest.mark.parametrize(
    ("name", "seconds"), [("french.aiff", 2.53), ("1688-142285-0002.flac", 2.83), ("jfk.wav", 11.0)]
)
def test_real_files_are_read_at_any_rate(name: str, seconds: float) -> None:
    for rate_hz in (8_000, 24_000):
        sound = decode((AUDIO / name).read_bytes(), rate_hz)
        assert (sound.rate_hz, sound.duration_s) == (rate_hz, pytest.approx(seconds, abs=0.05))


def test_a_cut_off_file_gives_what_is_there() -> None:
    file = encoded("mp3")
    assert 1.0 < decode(file[: len(file) // 2], RATE_HZ).duration_s < 1.6


def test_a_file_with_noise_in_the_middle_gives_the_rest() -> None:
    file = bytearray(encoded("mp3"))
    file[8_000:9_000] = bytes(1_000)
    assert decode(bytes(file), RATE_HZ).duration_s > 2.0


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"\x00",
        b"hello, this is text",
        b"<?xml version='1.0'?><MPD/>",
        b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"ID3\x04\x00\x00\x00\x00\x00\x00",
        b"OggS" + bytes(1_000),
        b"fLaC" + b"\xff" * 1_000,
        b"\x1a\x45\xdf\xa3" + b"\xff" * 1_000,
        b"\x00\x00\x00\x20ftypM4A " + bytes(1_000),
        b"\x00\x00\x00\x20moov" + b"\xff" * 1_000,
        b"FORM\x7f\xff\xff\xffAIFFCOMM\x7f\xff\xff\xff" + b"\xff" * 100,
        b"\xff\xfb\x90\x00" + bytes(100),
        b"RIFF\xff\xff\xff\xffWAVEfmt \x10\x00\x00\x00\x02\x00" + b"\xff" * 100,
    ],
)
def test_what_is_no_sound_is_the_callers_mistake(file: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(file, RATE_HZ)
    assert caught.value.param == "file"


def test_of_a_file_that_is_too_small_for_the_length_it_says_what_is_there_counts() -> None:
    file = bytearray(encoded("flac"))
    file[21:26] = bytes([file[21] | 0x0F, 0xFF, 0xFF, 0xFF, 0xFF])  # 2**36 samples
    assert decode(bytes(file), RATE_HZ).duration_s == pytest.approx(SPEECH.duration_s, abs=0.01)


@pytest.mark.parametrize("kind", ["m4a", "flac"])
def test_a_file_that_is_too_long_is_refused_whether_it_says_so_or_not(kind: str) -> None:
    with pytest.raises(InvalidRequest, match="longer than 2 s") as caught:
        decode(FILES[kind][0](), RATE_HZ, max_duration_s=2)
    assert caught.value.code == "audio_too_long"


def test_silence_that_unpacks_to_much_more_stops_at_the_limit() -> None:
    ten_minutes = encoded("flac", bytes(2 * RATE_HZ * 600))
    assert len(ten_minutes) < 150_000
    pieces: list[bytes] = []
    with pytest.raises(InvalidRequest, match="longer than 30 s") as caught:
        pieces.extend(decoded_pieces(ten_minutes, RATE_HZ, max_duration_s=30, max_work_s=math.inf))
    assert caught.value.code == "audio_too_long"
    assert 29 < sum(map(len, pieces)) / (2 * RATE_HZ) <= 30


def test_a_wav_that_is_too_long_is_refused_too() -> None:
    with pytest.raises(InvalidRequest, match="longer than"):
        decode(write_wav(bytes(2 * RATE_HZ * 3), RATE_HZ), RATE_HZ, max_duration_s=2)
    lying = wav_header(RATE_HZ, 0x7FFFFFFF) + bytes(2 * RATE_HZ)
    assert decode(lying, RATE_HZ, max_duration_s=2).duration_s == 1.0


def test_a_film_without_sound_is_refused() -> None:
    import io

    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))))
        out.mux(stream.encode(None))
    with pytest.raises(InvalidRequest, match="no sound track"):
        decode(file.getvalue(), RATE_HZ)


def test_a_codec_that_nobody_knows_is_refused() -> None:
    file = in_container("webm", "libopus", SPEECH.data[:16_000]).replace(b"A_OPUS", b"A_SOLO")
    with pytest.raises(InvalidRequest, match="codec"):
        decode(file, RATE_HZ)


def test_without_pyav_a_clear_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyav, "find_spec", lambda _: None)
    with pytest.raises(Unsupported, match=r"pip install 'antiphon\[local\]'"):
        decode(b"OggS" + bytes(100), RATE_HZ)
    with pytest.raises(Unsupported, match="PyAV"):
        Encoder("mp3", RATE_HZ)
    assert decode(write_wav(b"\1\2", RATE_HZ), RATE_HZ).data == b"\1\2"
    assert Encoder("wav", RATE_HZ).finish()


SAMPLES = {kind: encoded(kind, SPEECH.data[:16_000]) for kind in ("mp3", "opus", "aac", "flac", "wav")}
SAMPLES["mp4"] = in_container("mp4", "aac", SPEECH.data[:16_000])
SAMPLES["webm"] = in_container("webm", "libopus", SPEECH.data[:16_000])


@given(
    st.sampled_from(sorted(SAMPLES)),
    st.lists(st.tuples(st.integers(0, 20_000), st.binary(min_size=1, max_size=8)), min_size=1, max_size=6),
    st.integers(0, 20_000),
)
def test_a_damaged_file_is_decoded_or_refused(kind: str, wounds: list[tuple[int, bytes]], end: int) -> None:
    file = bytearray(SAMPLES[kind])
    for place, junk in wounds:
        start = place % len(file)
        file[start : start + len(junk)] = junk
    cut = bytes(file[: max(end % (len(file) * 2), 12)])
    try:
        sound = decode(cut, RATE_HZ, max_duration_s=60)
    except InvalidRequest:
        return
    assert len(sound.data) % 2 == 0
    assert sound.duration_s <= 60


def test_a_codec_that_is_known_and_not_meant_is_refused() -> None:
    file = in_container("matroska", "tta", SPEECH.data[:16_000])
    with pytest.raises(InvalidRequest, match="codec"):
        decode(file, RATE_HZ)


def test_pieces_of_a_long_sound_are_small_and_join_to_the_whole() -> None:
    seconds = 60
    data = write_wav(bytes(8_000 * 2 * seconds), 8_000)
    pieces = list(decoded_pieces(data, RATE_HZ, max_duration_s=seconds + 1, max_work_s=10))
    assert max(map(len, pieces)) <= 4 * 2**20
    assert sum(map(len, pieces)) == pytest.approx(RATE_HZ * 2 * seconds, rel=0.001)
