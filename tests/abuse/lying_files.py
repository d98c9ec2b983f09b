"""Damaged and lying files over all containers, always the same ones for a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Literal, NamedTuple

from antiphon.audio.sniff import container_of
from tests.abuse.honest_files import honest_files
from tests.abuse.matroska_bombs import matroska_bombs
from tests.abuse.mov_bombs import mov_bomb, mov_bombs
from tests.abuse.table_bombs import silent_bombs, table_bombs
from tests.abuse.tag_bombs import tag_bombs

__all__ = ["bombs", "damaged_files", "lying_files", "mov_bomb"]

LIES = (0, 1, 2**16, 10**7, 2**31 - 1, 2**32 - 1, 2**63 - 1)
_HEAD = 1_024


class _Field(NamedTuple):
    """A number at a distance from a name in the file."""

    name: bytes
    distance: int
    width: int = 4
    order: Literal["big", "little"] = "big"


_BOXES = [
    b"ftyp",
    b"moov",
    b"trak",
    b"stbl",
    b"stsd",
    b"stts",
    b"stsc",
    b"stsz",
    b"stco",
    b"mdat",
    b"moof",
    b"traf",
    b"udta",
]
_BOXES += [
    b"trun",
    b"tfhd",
    b"sidx",
    b"elst",
    b"edts",
    b"meta",
    b"ilst",
    b"esds",
    b"dref",
    b"mvhd",
    b"mdhd",
    b"mfra",
    b"tfra",
]
_CHUNKS = [
    b"RIFF",
    b"fmt ",
    b"data",
    b"LIST",
    b"ds64",
    b"fact",
    b"INFO",
    b"avih",
    b"strh",
    b"strf",
    b"idx1",
    b"indx",
    b"movi",
]
_ELEMENTS = ["1A45DFA3", "18538067", "1549A966", "1654AE6B", "1F43B675", "114D9B74", "1C53BB6B", "1254C367"]
_FIELDS = [
    *(_Field(name, distance) for name in _BOXES for distance in (-4, 8, 12, 16)),
    *(_Field(name, 4, 4, "little") for name in _CHUNKS),
    *(_Field(b"strh", distance, 4, "little") for distance in (24, 28, 32, 36, 44, 48, 52)),
    *(_Field(b"fmt ", distance, 2, "little") for distance in (8, 10, 20, 22, 24)),
    *(_Field(name, 4) for name in (b"FORM", b"COMM", b"SSND", b"NAME", b"ID3 ", b"FVER")),
    *(_Field(b"COMM", distance, 2) for distance in (8, 10, 12, 14, 16, 18)),
    *(_Field(name, 4, 8) for name in (b"desc", b"pakt", b"kuki", b"chan", b"info", b"data")),
    *(_Field(b"pakt", distance, 8) for distance in (12, 20)),
    *(_Field(b"desc", distance) for distance in (20, 28, 32, 36, 40)),
    *(_Field(bytes.fromhex(name), 4, width) for name in _ELEMENTS for width in (1, 2, 4, 8)),
    *(_Field(b"OggS", distance, width, "little") for distance, width in ((5, 1), (6, 8), (14, 4), (18, 4), (26, 1))),
    *(_Field(name, len(name), 4, "little") for name in (b"OpusTags", b"\x03vorbis", b"OpusHead", b"\x01vorbis")),
    *(_Field(b"fLaC", distance, 3) for distance in (5, 8, 11, 18)),
    *(_Field(b"ID3", distance) for distance in (3, 6, 14, 18)),
    *(_Field(name, distance) for name in (b"Xing", b"Info") for distance in (4, 8, 12)),
    *(_Field(b"APETAGEX", distance, 4, "little") for distance in (8, 12, 16, 20)),
    *(_Field(b"FLV", distance, width) for distance, width in ((5, 4), (14, 3), (17, 3))),
    *(_Field(b"onMetaData", distance) for distance in (11, 15)),
    *(_Field(b".snd", distance) for distance in (4, 8, 12, 16, 20)),
    *(_Field(b"\xa6\xd9\0\xaa\0\x62\xce\x6c", distance, width, "little") for distance, width in ((8, 8), (16, 4))),
    *(
        _Field(b"\x8e\xe3\0\xc0\x0c\x20\x53\x65", distance, width, "little")
        for distance, width in ((8, 8), (30, 4), (34, 2))
    ),
    *(_Field(b"\0\0\1\xc0", 4, 2), _Field(b"\0\0\1\xba", 4), _Field(b"G\x40", 3), _Field(b"G\x40", 7)),
    *(_Field(b"\xff\xf1", distance, 2) for distance in (2, 4)),
]


def lying_files(seed: int, count: int = 500) -> Iterator[tuple[str, bytes]]:
    """Yield ``count`` files with their names: all bombs first, which are some 350, then damaged ones."""
    return islice(chain(bombs(), damaged_files(seed)), count)


def damaged_files(seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield honest files with one lie in them, and broken ones, in turn and without end."""
    rng = random.Random(seed)
    return (file for pair in zip(_lies(rng), _broken(rng), strict=False) for file in pair)


def bombs() -> Iterator[tuple[str, bytes]]:
    """Yield the files that are made to take memory or time, and more than FFmpeg has for them."""
    for make in (mov_bombs, matroska_bombs, tag_bombs, table_bombs, silent_bombs):
        yield from make()


def _lies(rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yield honest files in which one size or count is another."""
    places = {name: list(_places(data)) for name, data in honest_files().items()}
    while True:
        name = rng.choice(sorted(places))
        at, width, order = rng.choice(places[name])
        data, lie = honest_files()[name], min(rng.choice(LIES), 2 ** (8 * width) - 1)
        yield f"{name} {lie} at {at}", data[:at] + lie.to_bytes(width, order) + data[at + width :]


def _places(data: bytes) -> Iterator[tuple[int, int, Literal["big", "little"]]]:
    """Yield where the sizes and counts of a file are."""
    for name, distance, width, order in _FIELDS:
        at = data.find(name)
        while at >= 0:
            if 0 <= at + distance <= len(data) - width:
                yield at + distance, width, order
            at = data.find(name, at + 1)


def _broken(rng: random.Random) -> Iterator[tuple[str, bytes]]:
    names = sorted(honest_files())
    while True:
        name, how = rng.choice(names), rng.choice(_DAMAGES)
        yield f"{name} {how.__name__[1:]}", how(rng, honest_files()[name])


def _flipped(rng: random.Random, data: bytes) -> bytes:
    wounded = bytearray(data)
    for _ in range(rng.randint(1, 16)):
        wounded[rng.randrange(min(_HEAD, len(data)))] ^= 1 << rng.randrange(8)
    return bytes(wounded)


def _cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(8, len(data))]


def _swapped(rng: random.Random, data: bytes) -> bytes:
    one, two, three = sorted(rng.randrange(4, len(data)) for _ in range(3))
    return data[:one] + data[two:three] + data[one:two] + data[three:]


def _spliced(rng: random.Random, data: bytes) -> bytes:
    other = honest_files()[rng.choice(sorted(honest_files()))]
    return data[: rng.randrange(4, len(data))] + other[rng.randrange(len(other)) :]


def _repeated(rng: random.Random, data: bytes) -> bytes:
    end = rng.randrange(8, min(4 * _HEAD, len(data)))
    start = rng.randrange(end)
    return data[:end] + data[start:end] * rng.randint(2, 40) + data[end:]


def _doubled(rng: random.Random, data: bytes) -> bytes:
    """Have a chunk, box or block twice, with another number in one of the two."""
    start, end, around = rng.choice(list(_chunks(data)) or [(0, len(data), ())])
    other = bytearray(data[start:end])
    at = rng.randrange(len(other) - 3)
    other[at : at + 4] = (rng.choice(LIES) & 0xFFFFFFFF).to_bytes(4, "big")
    both = [data[start:end], bytes(other)]
    rng.shuffle(both)
    whole = bytearray(data[:start] + b"".join(both) + data[end:])
    for at in around:
        size = int.from_bytes(whole[at : at + 4], "big") + len(other)
        whole[at : at + 4] = size.to_bytes(4, "big")
    return bytes(whole)


class _Layout(NamedTuple):
    """How a file is cut into chunks: where the first is, and where each has its size."""

    first: int
    header_bytes: int
    size_at: int
    size_bytes: int
    order: Literal["big", "little"] = "big"


_LAYOUTS = {
    b"RIFF": _Layout(12, 8, 4, 4, "little"),
    b"RF64": _Layout(12, 8, 4, 4, "little"),
    b"FORM": _Layout(12, 8, 4, 4),
    b"caff": _Layout(8, 12, 4, 8),
    b"fLaC": _Layout(4, 4, 1, 3),
}
_NESTS = frozenset(b"moov trak mdia minf stbl edts udta mvex moof traf mfra".split())


def _chunks(data: bytes) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """Yield the chunks of a file: where each begins and ends, and where the sizes are of the boxes around it."""
    if container_of(data) == "mov":
        yield from _boxes(data, 0, len(data), ())
    if layout := _LAYOUTS.get(data[:4]):
        start = layout.first
        while start + layout.header_bytes <= len(data):
            at = start + layout.size_at
            size = int.from_bytes(data[at : at + layout.size_bytes], layout.order)
            end = min(start + layout.header_bytes + size, len(data))
            yield start, end, ()
            start = end


def _boxes(data: bytes, start: int, end: int, around: tuple[int, ...]) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    while start + 8 <= end:
        size = int.from_bytes(data[start : start + 4], "big")
        yield start, start + size, around
        if data[start + 4 : start + 8] in _NESTS:
            yield from _boxes(data, start + 8, start + size, (*around, start))
        start += size


_DAMAGES: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _flipped,
    _cut,
    _swapped,
    _spliced,
    _repeated,
    _doubled,
)
