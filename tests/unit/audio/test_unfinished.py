"""Files whose sizes lie, or that were never finished, give all the sound that is in them."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import pytest

from antiphon.audio.containers import decode
from antiphon.audio.sniff import container_of
from antiphon.audio.unfinished import finished
from antiphon.errors import InvalidRequest
from tests.abuse.honest_files import honest_files, sound_file

RATE_HZ = 16_000
SECONDS = 1.0
Lie = Callable[[bytes], bytes]


def put(data: bytes, at: int, number: str, value: float) -> bytes:
    changed = bytearray(data)
    struct.pack_into(number, changed, at, value)
    return bytes(changed)


def behind(name: bytes, number: str, value: float, skip: int = 0, *, last: bool = False) -> Lie:
    """Write a number behind the first or the last place of a name."""

    def lie(data: bytes) -> bytes:
        at = data.rindex(name) if last else data.index(name)
        return put(data, at + len(name) + skip, number, value)

    return lie


def both(*lies: Lie) -> Lie:
    def lie(data: bytes) -> bytes:
        for one in lies:
            data = one(data)
        return data

    return lie


def at(place: int, number: str, value: float) -> Lie:
    return lambda data: put(data, place, number, value)


def element(name: bytes, size: bytes) -> Lie:
    """Write the size of an EBML element."""

    def lie(data: bytes) -> bytes:
        start = data.index(name) + len(name)
        width = 9 - data[start].bit_length()
        return data[:start] + size + data[start + width :]

    return lie


def samples_of_flac(count: int) -> Lie:
    return lambda data: put(data, 18, ">Q", int.from_bytes(data[18:26], "big") >> 36 << 36 | count)


ANY_32 = (0, 10**6, 2**31 - 1, 2**31, 2**32 - 1)
ANY_64 = (0, 10**6, 2**40, 2**63 - 1, 2**63, 2**64 - 1)
UNKNOWN_SIZE, LARGE_SIZE, NO_SIZE = b"\x01" + b"\xff" * 7, b"\x01" + struct.pack(">Q", 2**40)[1:], b"\x01" + bytes(7)

LIES: dict[tuple[str, str], list[Lie]] = {
    **{
        ("wav", codec): [
            *(both(at(4, "<I", riff), behind(b"data", "<I", size)) for riff in (0, 36, 2**32 - 1) for size in ANY_32),
            *(behind(b"data", "<I", size) for size in ANY_32),
        ]
        for codec in ("pcm_s16le", "pcm_alaw", "pcm_f32le", "adpcm_ima_wav", "adpcm_ms")
    },
    ("wav", "mp3"): [behind(b"fact", "<I", value, 4) for value in (0, 2**32 - 1)],
    **{
        ("aiff", codec): [
            *(behind(b"SSND", ">I", size) for size in (*ANY_32, 8)),
            *(both(at(4, ">I", form), behind(b"SSND", ">I", 8)) for form in (0, 46, 2**32 - 1)),
            *(behind(b"COMM", ">I", frames, 6) for frames in ANY_32),
            both(at(4, ">I", 0), behind(b"SSND", ">I", 0), behind(b"COMM", ">I", 0, 6)),
        ]
        for codec in ("pcm_s16be", "pcm_mulaw")
    },
    **{
        ("caf", codec): [behind(b"data", ">Q", size) for size in (*ANY_64, 4)]
        for codec in ("pcm_s16be", "alac", "adpcm_ima_qt")
    },
    ("au", "pcm_s16be"): [at(8, ">I", size) for size in ANY_32],
    ("flac", "flac"): [*map(samples_of_flac, (0, 1, 10**9, 2**36 - 1)), lambda data: data[:12] + bytes(6) + data[18:]],
    ("mp3", "libmp3lame"): [
        *(behind(b"Info", ">I", value, skip) for value in ANY_32 for skip in (4, 8)),
        at(6, ">I", 0x7F7F7F7F),
    ],
    ("webm", "libopus"): [
        *(element(b"\x18\x53\x80\x67", size) for size in (UNKNOWN_SIZE, LARGE_SIZE, NO_SIZE)),
        *(element(b"\x1f\x43\xb6\x75", size) for size in (UNKNOWN_SIZE, LARGE_SIZE, NO_SIZE)),
        *(behind(b"\x44\x89\x88", ">d", value) for value in (0.0, 1e12)),
    ],
    ("mp4", "aac"): [
        *(behind(b"mdat", ">I", size, -8, last=True) for size in (0, 8, 10**6, 2**31 - 1)),
        *(behind(b"mdhd", ">I", ticks, 16) for ticks in (0, 2**32 - 2)),
    ],
    ("asf", "wmav2"): [
        behind(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"), "<Q", value, skip)
        for value in (0, 2**63)
        for skip in (24, 40, 48)
    ],
}


@pytest.mark.parametrize("kind", LIES, ids="-".join)
def test_a_size_of_the_sound_that_lies_is_not_believed(kind: tuple[str, str]) -> None:
    honest = sound_file(*kind, SECONDS)
    whole = decode(honest, RATE_HZ).duration_s
    found = [decode(lie(honest), RATE_HZ).duration_s for lie in LIES[kind]]
    assert found == [pytest.approx(whole, abs=0.13)] * len(found)
    assert whole == pytest.approx(SECONDS, abs=0.13)


@pytest.mark.parametrize("codec", ["pcm_s16le", "adpcm_ima_wav"])
@pytest.mark.parametrize("claimed", ANY_64)
def test_the_size_in_the_first_chunk_of_an_rf64_file_is_not_believed_either(codec: str, claimed: int) -> None:
    honest = sound_file("wav", codec, SECONDS, rf64="always")
    lying = behind(b"ds64", "<Q", claimed, 12)(honest)
    for file in (lying, lying.replace(b"ds64", b"JUNK")):
        assert decode(file, RATE_HZ).duration_s == pytest.approx(SECONDS, abs=0.05)


FRAGMENTED = {
    "by key frame": {"movflags": "frag_keyframe+empty_moov"},
    "each frame": {"movflags": "empty_moov+default_base_moof+frag_every_frame"},
    "dash": {"movflags": "dash+frag_every_frame"},
}
CUT: dict[str, tuple[str, str, dict[str, str]]] = {
    **{f"mp4 {name}": ("mp4", "aac", options) for name, options in FRAGMENTED.items()},
    "mp4 with its index first": ("mp4", "aac", {"movflags": "faststart"}),
    "mov": ("mov", "pcm_s16le", {"movflags": "frag_keyframe+empty_moov", "frag_duration": "100000"}),
    **{
        f"{muxer} {codec}": (muxer, codec, {})
        for muxer, codec in (
            ("wav", "pcm_s16le"), ("wav", "adpcm_ima_wav"), ("aiff", "pcm_s16be"), ("aiff", "pcm_mulaw"),
            ("caf", "pcm_s16be"), ("au", "pcm_s16be"), ("webm", "libopus"), ("matroska", "aac"), ("ogg", "libopus"),
            ("ogg", "flac"), ("flac", "flac"), ("mp3", "libmp3lame"), ("adts", "aac"), ("amr", "libopencore_amrnb"),
            ("asf", "wmav2"),
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CUT)
def test_of_a_file_that_was_cut_anywhere_all_that_is_there_is_heard(name: str) -> None:
    muxer, codec, options = CUT[name]
    honest = sound_file(muxer, codec, 3.0, **options)
    for part in (0.5, 0.7, 0.9, 0.99):
        heard = decode(honest[: int(len(honest) * part)], RATE_HZ).duration_s
        # headers, and what encoders put aside for tags, are no sound; a packet or two go with the cut
        assert 3 * part - 0.75 < heard < 3.1, part


HIDDEN: dict[str, tuple[tuple[str, str], Lie]] = {
    "pakt": (("caf", "alac"), both(behind(b"pakt", ">Q", 2**31, 8), behind(b"data", ">Q", 2**64 - 1))),
    "stsz": (("mp4", "aac"), both(behind(b"stsz", ">I", 10**7, 8), behind(b"mdat", ">I", 2**31 - 1, -8))),
}


@pytest.mark.parametrize("table", HIDDEN)
def test_a_table_behind_a_sound_whose_size_lies_is_checked_all_the_same(table: str) -> None:
    kind, lie = HIDDEN[table]
    with pytest.raises(InvalidRequest, match=f"the table {table} claims"):
        decode(lie(sound_file(*kind, SECONDS)), RATE_HZ)


def test_an_honest_file_is_itself() -> None:
    for name, data in honest_files().items():
        file = io.BytesIO(data)
        assert finished(file, container_of(data) or "") is file, name
        assert file.tell() == 0
