from __future__ import annotations

import pytest

from antiphon.audio.claims import source
from tests.abuse.honest_files import honest_files
from tests.abuse.refusals import refusal
from tests.abuse.table_bombs import chunk
from tests.abuse.tag_bombs import ape_tag, id3_tag, tag_bombs

BOMBS = dict(tag_bombs())
SOUND = honest_files()["mp3-libmp3lame-no-xing"]


@pytest.mark.parametrize(
    "name", ["id3 of many names", "id3 private of many names", "id3 many pictures", "id3 many chapters"]
)
def test_frames_are_counted(name: str) -> None:
    assert refusal(BOMBS[name]) == "the file claims 10001 tags, and may have 10000"


def test_frames_of_all_tags_count_together_however_their_sizes_are_written() -> None:
    one = id3_tag(b"TXXX\xff\xff\xff\xff\0\0" * 100)
    assert not refusal(one * 100 + SOUND)
    assert "claims 10001 tags" in refusal(one * 101 + SOUND)
    old = b"ID3\2\0\0" + id3_tag(b"TT2\0\0\1\0" * 10_001)[6:]
    assert "claims 10001 tags" in refusal(old + SOUND)


def test_compressed_frames_must_not_unpack_to_very_much() -> None:
    assert refusal(BOMBS["id3 packed"]) == "the file's tags claim to unpack to 104857600 bytes"


@pytest.mark.parametrize("count", [2**31 - 1, 2**32 - 1])
def test_items_of_an_ape_tag_are_counted(count: int) -> None:
    assert f"claims {count} tags" in refusal(BOMBS[f"ape {count} items"])
    assert f"claims {count} tags" in refusal(SOUND + ape_tag([b"a"], count) + b"TAG" + bytes(125))
    assert not refusal(SOUND + ape_tag([b"a", b"b"]))


def test_sizes_behind_the_end_of_the_file_cost_nothing() -> None:
    for size in (10**7, 2**28 - 1):
        assert not refusal(BOMBS[f"id3 of {size}"])
        assert not refusal(BOMBS[f"id3 frame of {size}"])


TAGS = id3_tag(b"TXXX\0\0\0\0\0\0" * 6_000) * 2
"""Two tags, one behind the other, with too many frames together."""


def test_a_tag_inside_of_a_file_is_as_long_as_it_says_itself() -> None:
    aiff, wav = honest_files()["aiff-pcm_s16be"], honest_files()["wav-adpcm_ms"]
    one = TAGS[: len(TAGS) // 2]
    for chunks in (chunk(b"ID3 ", TAGS, order=">"), chunk(b"ID3 ", one, 20, ">") + chunk(b"ID3 ", one, order=">")):
        assert "claims 10001 tags" in refusal(aiff[:12] + chunks + aiff[12:])
    for size in (20, len(TAGS)):
        assert "claims 10001 tags" in refusal(wav[:12] + chunk(b"id3 ", TAGS, size) + wav[12:])


def test_what_is_no_tag_for_ffmpeg_hides_none() -> None:
    aiff = honest_files()["aiff-pcm_s16be"]
    for head in (b"ID3\xff\0\0", b"ID3\4\xff\0", b"ID2\4\0\0"):
        fake = chunk(b"ID3 ", head + b"\x7f" * 4, order=">")
        real = chunk(b"ID3 ", TAGS[: len(TAGS) // 2], order=">")
        assert "claims 10001 tags" in refusal(aiff[:12] + fake + real + real + aiff[12:])


def test_tags_that_overlap_are_not_searched_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "FREE_PARTS", 1_000)
    wav = honest_files()["wav-adpcm_ms"]
    wide = chunk(b"id3 ", id3_tag(b"", size=2**28 - 1))
    assert not refusal(wav[:12] + wide + wav[12:] + chunk(b"JUNK", bytes(2**17)))
    assert "parts or more" in refusal(wav[:12] + wide * 20 + wav[12:] + chunk(b"JUNK", bytes(2**17)))
