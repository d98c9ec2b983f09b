from __future__ import annotations

import io
import struct

import pytest

from antiphon.audio.claims.boxes import boxes
from antiphon.audio.claims.mov_track import Track
from antiphon.audio.claims.source import ByteSource
from antiphon.errors import InvalidRequest
from tests.abuse.mov_bombs import full_box, table

SOUND = full_box(b"hdlr", bytes(4), b"soun", bytes(12))
EVERY_TICK = table(b"stts", (1_000, 1))


def described(*codecs: bytes) -> bytes:
    entries = b"".join(struct.pack(">I4s", 16, codec) + bytes(8) for codec in codecs)
    return full_box(b"stsd", struct.pack(">I", len(codecs)), entries)


def sizes(size: int, count: int, room: bytes = b"") -> bytes:
    return full_box(b"stsz", struct.pack(">2I", size, count), room)


def track(*parts: bytes) -> Track:
    data, made = b"".join(parts), Track()
    source = ByteSource(io.BytesIO(data))
    for box in boxes(source, 0, len(data)):
        made.take(source, box)
    return made


def test_a_track_without_tables_claims_nothing() -> None:
    assert track() == Track()
    assert track(full_box(b"free", bytes(100))).entries == 0


def test_samples_have_one_size_or_a_table_of_sizes() -> None:
    constant, listed = track(sizes(2, 1_000)), track(sizes(0, 3, bytes(12)))
    assert (constant.samples, constant.sample_bytes) == (1_000, 2_000)
    assert (listed.samples, listed.sample_bytes) == (3, 0)
    with pytest.raises(InvalidRequest, match="table stsz claims 16 entries, and has 12 bytes"):
        track(sizes(0, 4, bytes(12)))


@pytest.mark.parametrize(("bits", "room"), [(4, 2), (8, 3), (16, 6)])
def test_compact_sizes_have_few_bits(bits: int, room: int) -> None:
    def compact(size: int) -> bytes:
        return full_box(b"stz2", struct.pack(">2I", bits, 3), bytes(size))

    assert track(compact(room)).samples == 3
    with pytest.raises(InvalidRequest, match="table stz2"):
        track(compact(room - 1))


def test_constant_sound_is_indexed_by_chunk() -> None:
    made = track(SOUND, described(b"sowt"), EVERY_TICK, sizes(2, 10**8), table(b"stco", (0,), (0,), (0,)))
    assert made.is_by_chunk
    assert made.entries == 3
    made = track(SOUND, described(b"sowt"), EVERY_TICK, table(b"stsc", (1, 4_096, 1)), table(b"co64", (0, 0), (0, 0)))
    assert made.entries == 2 * 5


@pytest.mark.parametrize(
    "parts",
    [
        (described(b"sowt"), EVERY_TICK),
        (SOUND, described(b"mp4a"), EVERY_TICK),
        (SOUND, described(b"sowt", b"mp4a"), EVERY_TICK),
        (SOUND, described(b"sowt"), table(b"stts", (1_000, 2))),
        (SOUND, described(b"sowt"), table(b"stts", (1, 1), (999, 1))),
        (SOUND, described(b"sowt")),
        (SOUND, EVERY_TICK),
        (SOUND, full_box(b"hdlr", bytes(4), b"vide", bytes(12)), described(b"sowt"), EVERY_TICK),
    ],
    ids=["no handler", "codec", "two codecs", "two ticks", "two runs", "no durations", "no codec", "a picture, too"],
)
def test_all_other_tracks_are_indexed_by_sample(parts: tuple[bytes, ...]) -> None:
    made = track(*parts, sizes(2, 1_000))
    assert not made.is_by_chunk
    assert made.entries == 1_000


def test_the_handler_of_metadata_does_not_matter() -> None:
    metadata = full_box(b"hdlr", bytes(4), b"mdir", bytes(12))
    assert track(SOUND, metadata, described(b"twos"), EVERY_TICK).is_by_chunk


@pytest.mark.parametrize(("version", "entry_bytes"), [(0, 12), (1, 20)])
def test_edits_are_counted_and_lie_in_their_box(version: int, entry_bytes: int) -> None:
    def edits(count: int) -> bytes:
        return full_box(b"elst", struct.pack(">I", count), bytes(2 * entry_bytes), flags=version << 24)

    assert track(edits(2)).edits == 2
    with pytest.raises(InvalidRequest, match="table elst claims 3 entries"):
        track(edits(3))


def test_tables_inside_the_description_of_a_codec_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="description of a codec has a box stsz in it"):
        track(full_box(b"stsd", struct.pack(">I", 1), struct.pack(">I4s", 24, b"mp4a"), sizes(1, 1)))


def test_a_description_beyond_a_mebibyte_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="description of a codec claims 1048584 bytes"):
        track(full_box(b"stsd", struct.pack(">I", 0), bytes(2**20)))


def test_the_frames_of_alac_are_checked() -> None:
    frame = struct.pack(">I", 4_096)
    alac = struct.pack(">I4s", 24, b"alac") + struct.pack(">I4s", 16, b"alac") + bytes(4)
    assert track(full_box(b"stsd", struct.pack(">I", 1), alac, frame)).codecs == {b"alac"}
    with pytest.raises(InvalidRequest, match="frames of"):
        track(full_box(b"stsd", struct.pack(">I", 1), alac, struct.pack(">I", 2**31)))
