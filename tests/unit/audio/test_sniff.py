from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.audio.sniff import FILM_CONTAINERS, SOUND_CONTAINERS, container_of


@pytest.mark.parametrize(
    ("start", "container"),
    [
        (b"OggS\x00", "ogg"),
        (b"fLaC\x00", "flac"),
        (b"\x1a\x45\xdf\xa3\x01", "matroska"),
        (b"ID3\x04", "mp3"),
        (b"\xff\xfb\x90\x64", "mp3"),
        (b"\xff\xf3\x84\xc4", "mp3"),
        (b"\xff\xf1\x50\x80", "aac"),
        (b"\x00\x00\x00\x20ftypisom", "mov"),
        (b"RIFF\x00\x00\x00\x00WAVE", "wav"),
        (b"FORM\x00\x00\x00\x00AIFF", "aiff"),
        (b"#!AMR\n", "amr"),
        (b"\x00\x00\x01\xba\x44", "mpeg"),
        (b"RIFF\0\0\0\0AVI LIST", "avi"),
        (b"FLV\x01\x05\0\0\0\x09", "flv"),
        ((b"G" + bytes(187)) * 4, "mpegts"),
        ((bytes(4) + b"G" + bytes(187)) * 4, "mpegts"),
        ((b"G" + bytes(203)) * 4, "mpegts"),
    ],
)
def test_a_file_is_known_by_its_first_bytes(start: bytes, container: str) -> None:
    assert container_of(start + bytes(20)) == container


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"\xff",
        b"\xff\xff\xff\xff",
        b"\xff\xeb\x90\x64",
        b"#EXTM3U",
        b"<MPD",
        b"RIFF\0\0\0\0CDXA",
        b"G" + bytes(1_000),
        (b"G" + bytes(187)) * 3,
        b"ffconcat",
        b"PK",
    ],
)
def test_playlists_and_noise_are_no_audio_files(start: bytes) -> None:
    assert container_of(start) is None


@given(st.binary(max_size=40))
def test_any_bytes_have_an_answer(data: bytes) -> None:
    assert container_of(data) in {None, *FILM_CONTAINERS}


@pytest.mark.parametrize("data", [b"RIFF\0\0\0\0AVI ", b"FLV\x01", (b"G" + bytes(187)) * 4])
def test_films_are_known_and_told_from_sound(data: bytes) -> None:
    assert container_of(data) in FILM_CONTAINERS - SOUND_CONTAINERS
