"""Recordings and films in, new tracks out: real files, written and read back by PyAV."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from antiphon.audio.media import (
    HIGHEST_HZ,
    LOWEST_HZ,
    Samples,
    check_out,
    open_recording,
    takes_picture,
    track_ms,
    write_track,
)
from antiphon.errors import InvalidRequest, Unsupported
from tests.films import make_film

AUDIO = Path(__file__).parents[2] / "audio"
JFK = AUDIO / "jfk.wav"
SOUND_FILES = (".wav", ".flac", ".m4a", ".mp3", ".ogg", ".opus")
FILMS = (".mp4", ".mov", ".mkv")


def samples(path: Path) -> Samples:
    with open_recording(path) as recording:
        return np.concatenate(list(recording.blocks()))


def tone(rate_hz: int, seconds: float = 1.0, channels: int = 1) -> Samples:
    wave = np.sin(np.arange(round(rate_hz * seconds)) / rate_hz * 2 * np.pi * 440) * 8_000
    return np.repeat(wave.astype(np.int16)[:, None], channels, axis=1)


def onset_s(sound: Samples, rate_hz: int) -> float:
    """Return when it becomes loud."""
    return float(np.argmax(np.abs(sound[:, 0]) > 2_000)) / rate_hz


def write(path: Path, sound: Samples, rate_hz: int, picture_of: Path | None = None) -> None:
    with write_track(path, rate_hz, sound.shape[1], picture_of) as track:
        for at in range(0, len(sound), rate_hz):
            track.write(sound[at : at + rate_hz])


def packets(path: Path) -> list[tuple[float, bytes]]:
    """Return time and content of every packet of the picture."""
    with av.open(path) as film:
        stream = film.streams.video[0]
        return [(float(one.pts * stream.time_base), bytes(one)) for one in film.demux(stream) if one.pts is not None]


# -- reading -----------------------------------------------------------------------------------------------------------
def test_a_recording_keeps_its_rate_and_all_its_samples() -> None:
    with open_recording(JFK) as recording:
        assert (recording.rate_hz, recording.channels, recording.has_picture) == (16_000, 1, False)
        assert recording.duration_s == pytest.approx(11.0)
        assert sum(len(block) for block in recording.blocks()) == 176_000


@pytest.mark.parametrize(("rate_hz", "read_hz"), [(4_000, LOWEST_HZ), (44_100, 44_100), (96_000, HIGHEST_HZ)])
def test_rates_beyond_what_a_stream_takes_are_changed(tmp_path: Path, rate_hz: int, read_hz: int) -> None:
    path = tmp_path / "tone.wav"
    write(path, tone(rate_hz, channels=2), rate_hz)
    with open_recording(path) as recording:
        assert (recording.rate_hz, recording.channels) == (read_hz, 2)
    assert len(samples(path)) == pytest.approx(read_hz, abs=64)


def test_more_than_two_channels_become_two(tmp_path: Path) -> None:
    path = tmp_path / "surround.flac"
    with av.open(path, "w") as out:
        stream = out.add_stream("flac", rate=48_000, layout="5.1")
        frame = av.AudioFrame.from_ndarray(np.ones((1, 6 * 4_800), np.int16) * 900, "s16", "5.1")
        frame.sample_rate, frame.pts = 48_000, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    assert samples(path).shape == (4_800, 2)


@pytest.mark.parametrize("suffix", [".mkv", ".ts"])
def test_sound_that_begins_after_the_picture_is_silent_before(tmp_path: Path, suffix: str) -> None:
    film = make_film(tmp_path / f"late{suffix}", JFK, seconds=3, delay_s=0.5)
    sound = samples(film)
    assert onset_s(sound, 16_000) == pytest.approx(onset_s(samples(JFK), 16_000) + 0.5, abs=0.01)


def test_a_hole_in_the_sound_is_silence(tmp_path: Path) -> None:
    film = make_film(tmp_path / "hole.mkv", JFK, seconds=2, hole_s=(1.0, 2.5))
    sound = samples(film)
    assert len(sound) / 16_000 == pytest.approx(4.5, abs=0.1)
    assert np.abs(sound[round(1.2 * 16_000) : round(3.4 * 16_000)]).max() < 50


def test_time_stamps_beyond_the_end_of_the_file_are_not_believed(tmp_path: Path) -> None:
    film = make_film(tmp_path / "far.mkv", JFK, seconds=2, delay_s=0.2)
    with open_recording(film) as recording:
        recording.duration_s = 0.25  # as a file may say that is cut off
        lengths = [len(block) for block in recording.blocks()]
    assert sum(lengths) <= 2.3 * 16_000


def test_a_damaged_file_gives_what_can_be_decoded(tmp_path: Path) -> None:
    whole = tmp_path / "whole.mp3"
    write(whole, tone(16_000, 4.0), 16_000)
    data = bytearray(whole.read_bytes())
    data[9_000:12_000] = bytes(range(250)) * 12
    damaged = tmp_path / "damaged.mp3"
    damaged.write_bytes(data)
    assert 1.0 < len(samples(damaged)) / 16_000 <= 4.1


def test_a_file_of_broken_packets_holds_no_sound(tmp_path: Path) -> None:
    path = tmp_path / "broken.mkv"
    with av.open(path, "w") as out:
        stream: Any = out.add_stream("flac", rate=16_000, layout="mono")
        out.start_encoding()
        for number in range(120):
            packet = av.Packet(b"\x00\x01\x02\x03" * 50)
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, 100)
            out.mux(packet)
    with pytest.raises(InvalidRequest, match="no sound that can be decoded") as refused:
        samples(path)
    assert refused.value.param == "file"


def test_a_picture_without_sound_is_refused(tmp_path: Path) -> None:
    film = make_film(tmp_path / "mute.mp4", None, seconds=1)
    with pytest.raises(InvalidRequest, match="no sound") as refused, open_recording(film):
        pass
    assert refused.value.param == "file"


@pytest.mark.parametrize("content", [None, b"", b"these are words, and no sound at all"])
def test_what_is_no_recording_is_refused_by_its_name(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "nothing.bin"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidRequest, match=r"nothing\.bin") as refused, open_recording(path):
        pass
    assert refused.value.param == "file"


# -- writing -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["film.m3u8", "film.mp4", "film.ts"])
@pytest.mark.parametrize("how", ["#EXTM3U\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n", "ffconcat version 1.0\nfile '{}'\n"])
@pytest.mark.parametrize("target", ["secret.wav", "{folder}/secret.wav", "file://{folder}/secret.wav"])
def test_a_list_of_other_files_opens_none_of_them(tmp_path: Path, name: str, how: str, target: str) -> None:
    write(tmp_path / "secret.wav", tone(16_000), 16_000)
    listed = tmp_path / name
    listed.write_text(how.format(target.format(folder=tmp_path)))
    with pytest.raises(InvalidRequest, match="known kind") as refused, open_recording(listed):
        pass
    assert refused.value.param == "file"
    with pytest.raises(InvalidRequest), write_track(tmp_path / "out.mkv", 16_000, 1, picture_of=listed):
        pass


def test_a_film_is_known_by_its_bytes_and_not_by_its_name(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", JFK, seconds=1)
    with open_recording(film.rename(tmp_path / "film.m3u8")) as recording:
        assert recording.has_picture


@pytest.mark.parametrize("suffix", SOUND_FILES)
@pytest.mark.parametrize(("rate_hz", "channels"), [(16_000, 1), (44_100, 2)])
def test_a_sound_file_is_as_long_as_what_was_written(tmp_path: Path, suffix: str, rate_hz: int, channels: int) -> None:
    path = tmp_path / "new" / f"sound{suffix}"
    sound = np.concatenate([np.zeros((rate_hz // 2, channels), np.int16), tone(rate_hz, 1.5, channels)])
    write(path, sound, rate_hz)
    assert track_ms(path) == pytest.approx(2_000, abs=0 if suffix in (".wav", ".flac") else 64)
    with open_recording(path) as recording:
        assert recording.channels == channels
        assert onset_s(samples(path), recording.rate_hz) == pytest.approx(0.5, abs=0.01)
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", FILMS)
def test_a_film_keeps_every_packet_of_its_picture_and_gets_the_new_sound(tmp_path: Path, suffix: str) -> None:
    film = make_film(tmp_path / "film.mp4", JFK, seconds=2, more_picture_s=1.0)
    dubbed = tmp_path / f"dubbed{suffix}"
    write(dubbed, tone(16_000, 2.0), 16_000, film)
    before, after = packets(film), packets(dubbed)
    assert [data for _, data in after] == [data for _, data in before]
    assert [at for at, _ in after] == pytest.approx([at for at, _ in before], abs=0.001)
    assert len(after) == 75
    assert track_ms(dubbed) == pytest.approx(2_000, abs=64)
    with av.open(dubbed) as made:
        assert [stream.codec_context.name for stream in made.streams.audio] == ["aac"]


def test_a_film_that_does_not_begin_at_zero_stays_in_step(tmp_path: Path) -> None:
    film = make_film(tmp_path / "broadcast.ts", JFK, seconds=2, delay_s=0.3, begins_s=90.0)
    with av.open(film) as source:
        assert source.start_time == 90_000_000
    dubbed = tmp_path / "dubbed.mkv"
    write(dubbed, samples(film), 16_000, film)
    assert packets(dubbed)[0][0] == pytest.approx(0.0, abs=0.05)
    assert onset_s(samples(dubbed), 16_000) == pytest.approx(onset_s(samples(film), 16_000), abs=0.01)


def test_a_picture_that_the_container_cannot_hold_is_refused_with_what_can(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.flv", JFK, seconds=1, codec="flv")
    with pytest.raises(InvalidRequest, match=r"\.mkv supports most picture codecs") as refused:
        write(tmp_path / "dubbed.mp4", tone(16_000), 16_000, film)
    assert refused.value.param == "out"
    assert [one.name for one in tmp_path.iterdir()] == ["film.flv"]


def test_what_is_not_completed_leaves_no_file(tmp_path: Path) -> None:
    def write_half() -> None:
        with write_track(tmp_path / "sound.wav", 16_000, 1) as track:
            track.write(tone(16_000))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidRequest, match=r"sound\.wav") as refused:
        write(tmp_path / "file" / "sound.wav", tone(16_000), 16_000)
    assert refused.value.param == "out"


def test_unknown_kinds_of_files_are_refused_with_those_that_are_known() -> None:
    with pytest.raises(InvalidRequest, match=r"\.wav, \.flac") as refused:
        takes_picture(Path("sound.xyz"))
    assert refused.value.param == "out"


def test_sound_alone_makes_no_film() -> None:
    with pytest.raises(InvalidRequest, match="no picture") as refused:
        check_out(Path("film.mp4"), has_picture=False)
    assert refused.value.param == "out"
    check_out(Path("film.mp4"), has_picture=True)
    check_out(Path("sound.WAV"), has_picture=True)
    assert takes_picture(Path("film.MKV"))
    assert not takes_picture(Path("sound.mp3"))


def test_without_pyav_the_command_that_brings_it_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(Unsupported, match=r"antiphon\[dub\]"), open_recording(JFK):
        pass
    with pytest.raises(Unsupported, match=r"antiphon\[dub\]"), write_track(tmp_path / "sound.wav", 16_000, 1):
        pass
