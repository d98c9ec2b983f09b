"""MP4 and MOV files of some kilobytes that claim millions of samples."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

RATE_HZ = 8_000
_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def box(name: bytes, *parts: bytes) -> bytes:
    """Return a box."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), name) + body


def full_box(name: bytes, *parts: bytes, flags: int = 0) -> bytes:
    """Return a box with a version, zero, and flags."""
    return box(name, struct.pack(">I", flags), *parts)


def table(name: bytes, *entries: Sequence[int], count: int | None = None) -> bytes:
    """Return a table of 32-bit numbers; it claims ``count`` entries, if given."""
    numbers = [number for entry in entries for number in entry]
    claimed = len(entries) if count is None else count
    return full_box(name, struct.pack(f">I{len(numbers)}I", claimed, *numbers))


def mov_bomb(
    samples: int,
    tracks: int = 1,
    *,
    two_runs: bool = True,
    ticks: int = 1,
    size: int = 1,
    codec: bytes = b"sowt",
    handler: bytes = b"soun",
    chunks: int = 1,
    samples_per_chunk: int | None = None,
    edits: int = 0,
    more: bytes = b"",
    inside: bytes = b"",
) -> bytes:
    """Return a file of 4 KiB of sound whose tables claim ``samples`` of ``size`` bytes in each track.

    FFmpeg indexes chunks of PCM, but samples where their durations come in ``two_runs`` or are more than a tick.
    ``more`` is put behind the tables of samples, ``inside`` into the description of the codec.
    """
    runs = [(1, ticks + 1), (max(samples - 1, 0), ticks)] if two_runs else [(samples, ticks)]
    tables = [
        full_box(b"stsd", struct.pack(">I", 1), _description(codec, handler, inside)),
        table(b"stts", *runs),
        table(b"stsc", (1, samples if samples_per_chunk is None else samples_per_chunk, 1)),
        full_box(b"stsz", struct.pack(">2I", size, samples)),
        table(b"stco", *[(700,)] * chunks),
        more,
    ]
    return _file(_track(box(b"stbl", *tables), handler, edits, samples) * tracks)


def fragment_bomb(samples: int, runs: int = 1, fragments: int = 1, *, flags: int = 0, size: int = 1) -> bytes:
    """Return a file with a track and ``fragments`` of it, each with ``runs`` of samples without an entry for each."""
    header = _file(_track(box(b"stbl", full_box(b"stsd", struct.pack(">I", 1), _description(b"sowt", b"soun")))))
    default = box(b"mvex", full_box(b"trex", struct.pack(">5I", 1, 1, 1, size, 0)))
    begin = full_box(b"tfhd", struct.pack(">I", 1), flags=0x20000)
    run = full_box(b"trun", struct.pack(">I", samples), flags=flags)
    moof = box(b"moof", full_box(b"mfhd", struct.pack(">I", 1)), box(b"traf", begin, run * runs))
    return in_moov(header, default) + (moof + box(b"mdat", bytes(100))) * fragments


def in_moov(file: bytes, more: bytes) -> bytes:
    """Return the file with more at the end of its moov."""
    start = file.index(b"moov") - 4
    size = int.from_bytes(file[start : start + 4], "big")
    return file[:start] + box(b"moov", file[start + 8 : start + size], more) + file[start + size :]


def mov_bombs() -> Iterator[tuple[str, bytes]]:
    """Yield all of them by name."""
    for tracks in (1, 4, 50):
        for samples in (10**6, 10**7, 2**31 - 1, 2**32 - 1):
            yield f"mov {tracks} tracks of {samples} samples", mov_bomb(samples, tracks)
    for samples in (10**7, 2**32 - 1):
        yield f"mov one run of {samples}", mov_bomb(samples, two_runs=False)
        yield f"mov {samples} samples of two ticks", mov_bomb(samples, two_runs=False, ticks=2)
        yield f"mov {samples} samples of aac", mov_bomb(samples, two_runs=False, codec=b"mp4a")
        yield f"mov {samples} samples of a picture", mov_bomb(samples, codec=b"mp4v", handler=b"vide")
        yield f"mov {samples} samples of a picture among sound", mov_bomb(samples, two_runs=False, codec=b"mp4v")
        yield f"mov {samples} samples in fragments", fragment_bomb(samples)
        yield f"mov {samples} samples in runs", fragment_bomb(samples, 50)
        yield f"mov {samples} samples in a chunk", mov_bomb(samples, two_runs=False, chunks=5_000)
    yield "mov edits", mov_bomb(4_000, edits=10_000)
    yield "mov many fragments", fragment_bomb(10**6, 1, 100)
    yield "mov samples of size zero", fragment_bomb(10**7, size=0)
    for name in (b"stts", b"ctts", b"stsc", b"stco", b"co64", b"stss", b"stps", b"sgpd", b"sbgp", b"iinf", b"keys"):
        for count in (10**7, 2**32 - 1):
            yield f"mov {name.decode()} of {count}", mov_bomb(100, more=table(name, (1, 1, 1), count=count))
    for name in (b"senc", b"saiz", b"saio"):
        yield f"mov {name.decode()}", mov_bomb(100, more=table(name, (10**7, 10**7)))
    yield "mov cmov", _file(box(b"cmov", box(b"dcom", b"zlib"), box(b"cmvd", struct.pack(">I", 10**9), bytes(1_000))))
    hidden = full_box(b"stsz", struct.pack(">2I", 1, 10**7))
    yield "mov table in a codec", mov_bomb(100, two_runs=False, ticks=2, inside=hidden)
    yield "mov many tracks", _file(_track(b"") * 5_000)
    yield "mov many boxes", _file(box(b"udta") * 20_000)
    yield "mov nested boxes", _file(_nested(b"udta", 20_000))


def _nested(name: bytes, depth: int) -> bytes:
    return b"".join(struct.pack(">I4s", 8 * (depth - level), name) for level in range(depth))


def _file(content: bytes) -> bytes:
    times = struct.pack(">4IIH", 0, 0, RATE_HZ, RATE_HZ, 0x10000, 0x100)
    header = full_box(b"mvhd", times, bytes(10), _MATRIX, bytes(24), struct.pack(">I", 2))
    kind = box(b"ftyp", b"isom", struct.pack(">I", 512), b"isom")
    return kind + box(b"moov", header, content) + box(b"mdat", bytes(4_096))


def _track(tables: bytes, handler: bytes = b"soun", edits: int = 0, samples: int = 0) -> bytes:
    header = full_box(
        b"tkhd", struct.pack(">5I", 0, 0, 1, 0, RATE_HZ), bytes(8), struct.pack(">4H", 0, 0, 0x100, 0), _MATRIX,
        bytes(8), flags=7,
    )  # fmt: skip
    source = box(b"dinf", full_box(b"dref", struct.pack(">I", 1), full_box(b"url ", flags=1)))
    media = box(
        b"mdia",
        full_box(b"mdhd", struct.pack(">4I2H", 0, 0, RATE_HZ, min(samples, 2**32 - 1), 0x55C4, 0)),
        full_box(b"hdlr", bytes(4), handler, bytes(12), b"a\0"),
        box(b"minf", full_box(b"smhd", bytes(4)), source, tables),
    )
    edit = (min(samples, 2**31 - 1), 0, 0x10000)
    return box(b"trak", header, box(b"edts", table(b"elst", *[edit] * edits)) if edits else b"", media)


def _description(codec: bytes, handler: bytes, inside: bytes = b"") -> bytes:
    start = bytes(6) + struct.pack(">H", 1)
    if handler == b"vide":
        return box(codec, start, bytes(16), struct.pack(">HH", 64, 64), bytes(50))
    return box(codec, start, bytes(8), struct.pack(">4HI", 1, 16, 0, 0, RATE_HZ << 16), inside)
