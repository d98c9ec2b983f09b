from __future__ import annotations

import struct
from pathlib import Path

import pytest

from antiphon.audio.claims import check_claims
from antiphon.audio.claims.limits import MAX_TRACKS
from tests.abuse.mov_bombs import box, fragment_bomb, full_box, in_moov, mov_bomb, table
from tests.abuse.refusals import refusal


def with_table(name: bytes, count: int) -> bytes:
    return mov_bomb(100, more=table(name, (1, 1, 1), count=count))


def test_samples_of_one_size_must_be_in_the_file() -> None:
    assert refusal(mov_bomb(20_000_000)) == "the file claims 20000000 samples, and has 4634 bytes"
    assert refusal(mov_bomb(5_000)) == "the file claims 5000 bytes of samples, and has 4634 bytes"
    assert not refusal(mov_bomb(4_000))


def test_the_samples_of_all_tracks_count_together() -> None:
    assert not refusal(mov_bomb(2_000, 2))
    assert "7500 bytes of samples" in refusal(mov_bomb(2_500, 3))


def test_more_tracks_than_any_film_has_are_refused() -> None:
    assert not refusal(mov_bomb(10, MAX_TRACKS))
    assert "more than 32 tracks" in refusal(mov_bomb(10, MAX_TRACKS + 1))


@pytest.mark.parametrize(
    "name", ["stts", "ctts", "stsc", "stco", "co64", "stss", "stps", "stsd", "dref", "keys", "iinf"]
)
def test_a_table_must_lie_in_its_box(name: str) -> None:
    assert f"the table {name} claims 4294967295 entries" in refusal(with_table(name.encode(), 2**32 - 1))
    assert f"the table {name} claims 10 entries, and has 12 bytes" in refusal(with_table(name.encode(), 10))


def test_sizes_of_samples_must_lie_in_their_box() -> None:
    assert "stsz" in refusal(mov_bomb(1_000, size=0))
    for bits in (4, 8, 16):
        sizes = full_box(b"stz2", struct.pack(">2I", bits, 1_000), bytes(bits * 125 - 1))
        assert f"stz2 claims {bits * 125} entries" in refusal(mov_bomb(0, more=sizes))


def test_pcm_is_indexed_by_chunks_so_that_its_samples_are_free() -> None:
    assert not refusal(mov_bomb(10**8, two_runs=False))
    metadata = box(b"udta", full_box(b"meta", full_box(b"hdlr", bytes(4), b"mdir", bytes(12))))
    assert not refusal(in_moov(mov_bomb(10**8, two_runs=False), metadata))


@pytest.mark.parametrize(
    "bomb",
    [
        mov_bomb(2**31, two_runs=False, chunks=5_000),
        mov_bomb(2**31, two_runs=False, ticks=2),
        mov_bomb(2**31, two_runs=False, codec=b"mp4a"),
        mov_bomb(2**31, two_runs=False, codec=b"mp4v"),
        mov_bomb(2**31, two_runs=False, handler=b"vide"),
    ],
    ids=["large chunks", "two ticks", "not PCM", "a picture's codec", "a picture"],
)
def test_what_is_indexed_by_samples_after_all_is_refused(bomb: bytes) -> None:
    assert "samples, and has" in refusal(bomb)


def test_every_edit_is_another_index() -> None:
    assert not refusal(mov_bomb(4_000, edits=200))
    assert "claims 40000000 samples" in refusal(mov_bomb(4_000, edits=10_000))


@pytest.mark.parametrize("bomb", [fragment_bomb(10**6), fragment_bomb(1_000, 50, 50), fragment_bomb(10**7, size=0)])
def test_samples_of_fragments_count_too(bomb: bytes) -> None:
    assert "samples, and has" in refusal(bomb)


def test_of_two_defaults_of_a_track_the_first_counts() -> None:
    second = box(b"mvex", full_box(b"trex", struct.pack(">5I", 1, 1, 1, 0, 0)))
    assert "bytes of samples" in refusal(in_moov(fragment_bomb(100_000, size=1_000), second))


def test_an_empty_table_of_durations_hides_no_other() -> None:
    assert "samples, and has" in refusal(mov_bomb(10**8, two_runs=False, more=table(b"stts")))


def test_samples_of_fragments_that_have_entries_must_have_them() -> None:
    assert "the table trun claims 100 entries, and has 0 bytes" in refusal(fragment_bomb(100, flags=0x200))


def test_fragments_are_noted_for_each_track() -> None:
    index = table(b"tfra", (0, 60_000), (0,) * 180_000, count=1)
    assert not refusal(mov_bomb(10, 2) + box(b"mfra", index))
    assert "samples, and has" in refusal(mov_bomb(10, 32) + box(b"mfra", index))
    segments = full_box(b"sidx", bytes(18), struct.pack(">H", 65_535), bytes(12))
    assert "the table sidx claims 65535 entries, and has 12 bytes" in refusal(mov_bomb(10) + segments)


@pytest.mark.parametrize("name", [b"cmov", b"senc", b"saiz", b"saio"])
def test_compressed_headers_and_encrypted_sound_are_refused(name: bytes) -> None:
    assert refusal(in_moov(mov_bomb(10), box(name, bytes(8)))) in {
        "the file's header is compressed",
        "the file is encrypted",
    }


def test_tables_are_found_wherever_ffmpeg_finds_them() -> None:
    hidden = mov_bomb(10**7)[20:]
    moov = hidden[: int.from_bytes(hidden[:4], "big")]
    kind = box(b"ftyp", b"isom", bytes(4))
    for name in (b"free", b"hoov"):
        assert "claims 10000000 samples" in refusal(kind + box(name, moov[8:]))
    long = struct.pack(">I4sQ", 1, b"moov", len(moov) + 8) + moov[8:]
    assert "claims 10000000 samples" in refusal(kind + long)
    endless = struct.pack(">I4s", 0, b"moov") + moov[8:]
    assert "claims 10000000 samples" in refusal(kind + endless)
    meta = box(b"udta", full_box(b"meta", full_box(b"hdlr", bytes(20)), moov))
    assert "claims 10000010 samples" in refusal(in_moov(mov_bomb(10), meta))
    assert "stsz in it" in refusal(mov_bomb(10, inside=full_box(b"stsz", struct.pack(">2I", 1, 10**7))))


def test_tags_are_counted() -> None:
    tags = box(b"udta", box(b"\xa9nam", b"\0\1\0\0x") * 10_001)
    assert "claims 10001 tags" in refusal(in_moov(mov_bomb(10), tags))
    assert "claims 4000000000 entries" in refusal(
        in_moov(mov_bomb(10), full_box(b"keys", struct.pack(">I", 4 * 10**9)))
    )


def test_a_recording_whose_end_was_cut_off_passes_within_bounds() -> None:
    whole = mov_bomb(60_000, two_runs=True)
    start = whole.index(b"mdat") - 4
    assert not refusal(whole[:start] + struct.pack(">I4s", 70_000, b"mdat") + bytes(4_096))
    assert "samples, and has" in refusal(mov_bomb(10**7)[:-10])


def test_boxes_of_impossible_sizes_and_depths_end_the_walk() -> None:
    for size in range(8):
        assert not refusal(box(b"ftyp", b"isom") + struct.pack(">I4s", size, b"moov") * 3)
    assert not refusal(b"".join(struct.pack(">I4s", 8 * (5_000 - level), b"udta") for level in range(5_000)), "mov")


def test_ten_hours_of_film_pass(tmp_path: Path) -> None:
    frames, sounds = 36_000 * 30, 36_000 * 48_000 // 1_024
    film = tmp_path / "film.mp4"
    picture = mov_bomb(frames, two_runs=False, ticks=2, size=1_000, codec=b"avc1", handler=b"vide", edits=1)
    sound = mov_bomb(sounds, two_runs=False, ticks=1_024, size=300, codec=b"mp4a", edits=1)
    track = sound[sound.index(b"trak") - 4 : sound.index(b"mdat") - 4]
    with film.open("wb") as file:
        header = in_moov(picture, track)
        file.write(header[: header.index(b"mdat") - 4] + struct.pack(">I4sQ", 1, b"mdat", 2 * 10**9))
        file.truncate(2 * 10**9)
    with film.open("rb") as file:
        check_claims(file, "mov")
