"""Files with so many different tags that FFmpeg takes minutes to compare them, and tags that unpack to very much."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from uuid import UUID

from tests.abuse.honest_files import honest_files
from tests.abuse.matroska_bombs import TAGS, element, matroska_file, small
from tests.abuse.mov_bombs import box, full_box, in_moov, mov_bomb
from tests.abuse.ogg_pages import OPUS_HEAD, ogg_file
from tests.abuse.packed import packed_zeros

MANY = 30_000
_NAMES = [f"{number:06x}".encode() for number in range(MANY)]
_MIB = 2**20


def tag_bombs() -> Iterator[tuple[str, bytes]]:
    """Yield all of them by name."""
    mp3, flac = honest_files()["mp3-libmp3lame-no-xing"], honest_files()["flac-flac"]
    yield from ((f"{name} of many names", file) for name, file in _of_many_names(mp3, flac))
    for claimed in (2**31 - 1, 2**32 - 1):
        yield f"ogg {claimed} comments", ogg_file(OPUS_HEAD, b"OpusTags" + comments([b"a=b"], claimed))
        yield f"ogg vendor of {claimed}", ogg_file(OPUS_HEAD, b"OpusTags" + struct.pack("<2I", claimed, claimed))
        yield f"flac {claimed} comments", flac_file(flac, comments([b"a=b"], claimed))
        yield f"ape {claimed} items", mp3 + ape_tag([b"a"], claimed)
    for size in (0, 10**7, 2**28 - 1):
        yield f"id3 of {size}", id3_tag(_frame(b"TIT2", b"\0a"), size=size) + mp3
        yield f"id3 frame of {size}", id3_tag(b"TIT2" + _syncsafe(size) + b"\0\0\0a", size=2**28 - 1) + mp3
    packed = packed_zeros(100 * _MIB)
    yield "id3 packed", id3_tag(b"TXXX" + _syncsafe(len(packed) + 4) + struct.pack(">HI", 9, 100 * _MIB) + packed) + mp3
    picture = b"\0image/png\0\3\0" + _png(12_000, 10_000)
    yield "id3 picture of 340 MiB", id3_tag(_frame(b"APIC", picture)) + mp3
    yield "id3 many pictures", id3_tag(_frame(b"APIC", b"\0image/png\0\3\0" + bytes(10)) * MANY) + mp3
    yield "id3 many chapters", id3_tag(*[_frame(b"CHAP", name + b"\0" + bytes(16)) for name in _NAMES]) + mp3


def _of_many_names(mp3: bytes, flac: bytes) -> Iterator[tuple[str, bytes]]:
    yield "id3", id3_tag(*[_frame(b"TXXX", b"\0" + name + b"\0x") for name in _NAMES]) + mp3
    yield "id3 private", id3_tag(*[_frame(b"PRIV", name + b"\0x") for name in _NAMES]) + mp3
    yield "ape", mp3 + ape_tag(_NAMES)
    yield "flac", flac_file(flac, comments([name + b"=x" for name in _NAMES]))
    yield "ogg", ogg_file(OPUS_HEAD, b"OpusTags" + comments([name + b"=x" for name in _NAMES]))
    yield (
        "matroska",
        matroska_file(element(TAGS, element("7373", *[small("67C8", small("45A3", name)) for name in _NAMES]))),
    )
    info = b"INFO" + b"".join(struct.pack(">I", 0x61000000 + name) + b"\2\0\0\0x\0" for name in range(MANY))
    for kind in ("wav-adpcm_ms", "avi-pcm_s16le"):
        file = honest_files()[kind]
        yield kind, file[:12] + b"LIST" + struct.pack("<I", len(info)) + info + file[12:]
    caf = honest_files()["caf-pcm_s16be"]
    texts = struct.pack(">I", MANY) + b"".join(name + b"\0x\0" for name in _NAMES)
    yield "caf", caf[:52] + b"info" + struct.pack(">Q", len(texts)) + texts + caf[52:]
    yield "asf", _asf_file()
    yield "flv", _flv_file()
    items = (box(struct.pack(">I", number + 1), box(b"data", struct.pack(">2I", 1, 0), b"x")) for number in range(MANY))
    keys = full_box(b"keys", struct.pack(">I", MANY), *[box(b"mdta", name) for name in _NAMES])
    handler = full_box(b"hdlr", bytes(4), b"mdta", bytes(13))
    yield "mov", in_moov(mov_bomb(100, two_runs=False), box(b"meta", handler, keys, box(b"ilst", *items)))
    yield "mov protection", in_moov(mov_bomb(100, two_runs=False), full_box(b"pssh", bytes(20)) * MANY)


def id3_tag(*frames: bytes, size: int | None = None) -> bytes:
    """Return a tag of version 2.4, which claims ``size``, if given."""
    body = b"".join(frames)
    return b"ID3\4\0\0" + _syncsafe(len(body) if size is None else size) + body


def ape_tag(names: list[bytes], claimed: int | None = None) -> bytes:
    """Return an APE tag, which claims so many items, if given."""
    items = b"".join(struct.pack("<2I", 1, 0) + name + b"\0x" for name in names)
    count = len(names) if claimed is None else claimed
    return items + struct.pack("<8s4I8x", b"APETAGEX", 2_000, len(items) + 32, count, 0)


def comments(texts: list[bytes], claimed: int | None = None) -> bytes:
    """Return Vorbis comments, which claim to be so many, if given."""
    listed = b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return struct.pack("<I4sI", 4, b"test", len(texts) if claimed is None else claimed) + listed


def flac_file(file: bytes, body: bytes, kind: int = 4) -> bytes:
    """Return a FLAC file with one more block of metadata."""
    return file[:42] + bytes([kind]) + len(body).to_bytes(3, "big") + body + file[42:]


def _frame(name: bytes, body: bytes) -> bytes:
    return name + _syncsafe(len(body)) + b"\0\0" + body


def _syncsafe(size: int) -> bytes:
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def _png(width: int, height: int) -> bytes:
    """Return a black picture."""
    rows = packed_zeros((1 + 3 * width) * height)
    chunks = [(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b"")]
    parts = (struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _asf_file() -> bytes:
    """Return a file with an object of many tags at the end of its header."""
    file = honest_files()["asf-wmav2"]
    names = (name.decode().encode("utf-16-le") + b"\0\0" for name in _NAMES)
    tags = b"".join(struct.pack("<H", len(name)) + name + struct.pack("<2H2s", 0, 2, b"x\0") for name in names)
    content = UUID("D2D0A440-E307-11D2-97F0-00A0C95EA850").bytes_le
    added = content + struct.pack("<QH", 26 + len(tags), MANY) + tags
    size, count = struct.unpack_from("<QI", file, 16)
    return file[:16] + struct.pack("<QI", size + len(added), count + 1) + file[28:size] + added + file[size:]


def _flv_file() -> bytes:
    file = honest_files()["flv-aac"]
    values = b"".join(struct.pack(">H", len(name)) + name + b"\1\1" for name in _NAMES)
    script = b"\2\0\x0aonMetaData\x08" + struct.pack(">I", MANY) + values + b"\0\0\x09"
    tag = b"\x12" + len(script).to_bytes(3, "big") + bytes(7) + script
    return file[:13] + tag + struct.pack(">I", len(tag)) + file[13:]
