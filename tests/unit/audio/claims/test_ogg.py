from __future__ import annotations

import struct

import pytest

from tests.abuse.ogg_pages import OPUS_HEAD, ogg_file, packet_pages
from tests.abuse.refusals import refusal
from tests.abuse.table_bombs import table_bombs
from tests.abuse.tag_bombs import comments

MILLION = comments([b"a=b"], 10**6)
STREAMS = {
    "opus": (OPUS_HEAD, b"OpusTags"),
    "vorbis": (b"\x01vorbis" + bytes(23), b"\x03vorbis"),
    "theora": (b"\x80theora" + bytes(35), b"\x81theora"),
    "speex": (b"Speex   " + bytes(72), b""),
    "flac": (b"\x7fFLAC" + bytes(46), b"\x84" + bytes(3)),
}


@pytest.mark.parametrize("codec", STREAMS)
def test_comments_of_every_codec_are_counted(codec: str) -> None:
    head, name = STREAMS[codec]
    assert refusal(ogg_file(head, name + MILLION)) == "the file claims 1000000 tags, and may have 10000"
    assert not refusal(ogg_file(head, name + comments([b"a=b"] * 100)))


def test_comments_behind_a_vendor_that_fills_pages_are_not_looked_for() -> None:
    vendor = struct.pack("<I", 100_000) + bytes(100_000) + MILLION[8:]
    assert refusal(ogg_file(OPUS_HEAD, b"OpusTags" + vendor)) == "the file claims a vendor of 100000 bytes"


def test_comments_of_a_later_stream_are_counted_for_themselves() -> None:
    radio = [ogg_file(OPUS_HEAD, b"OpusTags" + comments([b"a=b"] * 100), serial=serial) for serial in range(200)]
    assert not refusal(b"".join(radio))
    assert "claims 1000000 tags" in refusal(b"".join(radio) + ogg_file(*STREAMS["speex"][:1], MILLION, serial=999))


def test_strange_pages_pass() -> None:
    bombs = dict(table_bombs())
    for name in ("many streams", "endless packet", "giant comment", "empty pages", "empty packets", "cut silence"):
        assert not refusal(bombs[f"ogg {name}"])
    assert not refusal(packet_pages(b"\x7fFLAC", flags=2)[:30])
