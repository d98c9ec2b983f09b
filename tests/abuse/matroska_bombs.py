"""Matroska files of which FFmpeg keeps many times their size."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.abuse.packed import packed_zeros

HEADER, SEGMENT, INFO, TRACKS, CLUSTER = "1A45DFA3", "18538067", "1549A966", "1654AE6B", "1F43B675"
SEEK_HEAD, CUES, TAGS, CHAPTERS, ATTACHMENTS = "114D9B74", "1C53BB6B", "1254C367", "1043A770", "1941A469"
_MIB = 2**20
_SUBTITLES = 17


def element(name: str, *parts: bytes, size: int | None = None) -> bytes:
    """Return an element whose size, the true one or another, has eight bytes."""
    body = b"".join(parts)
    return bytes.fromhex(name) + (1 << 56 | (len(body) if size is None else size)).to_bytes(8, "big") + body


def small(name: str, *parts: bytes) -> bytes:
    """Return an element whose size has one byte."""
    body = b"".join(parts)
    return bytes.fromhex(name) + bytes([0x80 | len(body)]) + body


def number(name: str, value: int, width: int = 4) -> bytes:
    """Return an element that holds a number."""
    return small(name, value.to_bytes(width, "big"))


def track(index: int = 1, kind: int = 2, codec: bytes = b"A_PCM/INT/LIT", *more: bytes, channels: int = 1) -> bytes:
    """Return a track of 16-bit samples at 8 kHz, or what else is wanted."""
    sound = element("E1", small("B5", struct.pack(">f", 8_000)), number("9F", channels), number("6264", 16))
    return element(
        "AE", number("D7", index), number("73C5", index), number("83", kind), small("86", codec), sound, *more
    )


def matroska_file(*more: bytes, tracks: bytes = b"", blocks: bytes = b"") -> bytes:
    """Return a file with 0.1 s of silence, and more elements before its tracks."""
    cluster = element(CLUSTER, number("E7", 0), blocks or _block(bytes(1_600)))
    info = element(INFO, number("2AD7B1", 1_000_000))
    return _file(info, *more, element(TRACKS, tracks or track()), cluster)


def matroska_bombs() -> Iterator[tuple[str, bytes]]:
    """Yield all of them by name."""
    small_lists = _lists(_MIB // 4)
    yield "matroska seek heads", matroska_file(small_lists["seek heads"])
    yield "matroska cues of unknown size", matroska_file(_endless(small_lists["cues"]))
    yield "matroska tags behind the sound", _pointing_to(small_lists["tags"])
    yield "matroska chapters in the sound", _pointing_to(element(CLUSTER, _block(small_lists["chapters"])))
    broken = element(INFO, small("4489", b"12345"))
    yield "matroska attachments behind an error", matroska_file(broken, element("EC", small_lists["attachments"]))
    for name, bomb in _lists(4 * _MIB).items():
        yield f"matroska large {name}", matroska_file(bomb)
    film = track() + track(2, 1, b"V_MPEG4/ISO/AVC")
    yield "matroska tiny blocks", matroska_file(tracks=film, blocks=small("A3", b"\x82\0\0\x80x") * (_MIB // 4))
    yield "matroska many tracks", matroska_file(tracks=track() + small("AE") * _MIB)
    yield (
        "matroska many encodings",
        matroska_file(tracks=track(1, 2, b"A_PCM/INT/LIT", element("6D80", small("6240") * _MIB))),
    )
    yield "matroska block additions", matroska_file(blocks=_group(small("A6") * 2 * _MIB))
    yield (
        "matroska private data",
        matroska_file(tracks=track(1, 2, b"A_PCM/INT/LIT", element("63A2", b"x", size=2**40))),
    )
    yield from _packed()
    for channels in (0, 255, 2**32 - 1):
        yield f"matroska {channels} channels", matroska_file(tracks=track(channels=channels))
    for rate_hz in (0.0, 1.0, 4e9, float("inf"), float("nan")):
        rate = small("B5", struct.pack(">f", 8_000)), small("B5", struct.pack(">f", rate_hz))
        yield f"matroska {rate_hz} Hz", matroska_file().replace(*rate)
    for size in (0, 10**7, 2**31 - 1, 2**56 - 2, 2**56 - 1):
        yield f"matroska block of {size}", matroska_file(blocks=element("A3", b"\x81\0\0\x80", size=size))


def _lists(size: int) -> dict[str, bytes]:
    return {
        "cues": element(CUES, small("BB") * (size // 2)),
        "cue positions": element(CUES, element("BB", small("B7") * (size // 2))),
        "tags": element(TAGS, small("7373") * (size // 3)),
        "chapters": element(CHAPTERS, element("45B9", small("B6") * (size // 2))),
        "attachments": element(ATTACHMENTS, small("61A7") * (size // 3)),
        "seek heads": element(SEEK_HEAD, small("4DBB") * (size // 3)),
    }


def _packed() -> Iterator[tuple[str, bytes]]:
    """Yield blocks whose frames are compressed."""
    frame = packed_zeros(9_000_000)
    size = bytes([255]) * (len(frame) // 255) + bytes([len(frame) % 255])
    for algorithm in (0, 1, 2, 3):
        encoding = element(
            "6D80", element("6240", element("5034", number("4254", algorithm), small("4255", b"x" * 100)))
        )
        for kind in (2, _SUBTITLES):
            tracks = track() + track(2, kind, b"A_PCM/INT/LIT" if kind == 2 else b"S_TEXT/UTF8", encoding)
            yield f"matroska packed {algorithm} {kind}", matroska_file(tracks=tracks, blocks=_block(frame, 2) * 10)
            laced = _block(bytes([255]) + size * 255 + frame * 256, 2, flags=0x82)
            yield f"matroska packed laced {algorithm} {kind}", matroska_file(tracks=tracks, blocks=laced)
            grouped = element("A0", element("A1", laced[9:]))
            yield f"matroska packed grouped {algorithm} {kind}", matroska_file(tracks=tracks, blocks=grouped)
    for name, encodings in _ambiguous().items():
        tracks = track() + track(2, 2, b"A_PCM/INT/LIT", encodings)
        laced = _block(bytes([255]) + size * 255 + frame * 256, 2, flags=0x82)
        yield f"matroska packed laced, {name}", matroska_file(tracks=tracks, blocks=laced)
    stripped = element("6D80", element("6240", element("5034", number("4254", 3), element("4255", bytes(_MIB)))))
    tiny = _block(bytes([255]) + bytes([1]) * 255 + bytes(256), 1, flags=0x82)
    yield "matroska stripped laced", matroska_file(tracks=track(1, 2, b"A_PCM/INT/LIT", stripped), blocks=tiny * 4)


def _ambiguous() -> dict[str, bytes]:
    """Return descriptions of a compression that look like something else to a hasty reader."""
    packed, stripped = number("4254", 0), number("4254", 3)
    return {
        "another algorithm in the track": element("6D80", element("6240", element("5034", packed))) + stripped,
        "the algorithm outside": element("6D80", element("6240", element("5034"), stripped)),
        "two algorithms": element("6D80", element("6240", element("5034", stripped, packed))),
        "no compression": element("6D80", element("6240")) + element("5034", stripped),
        "another number of the track": element("6D80", element("6240", element("5034", packed), number("D7", 9))),
    }


def _pointing_to(bomb: bytes) -> bytes:
    """Return a file whose seek head points at a list, which may be hidden in something else."""
    name = next(name for name in (CUES, TAGS, CHAPTERS, ATTACHMENTS, SEEK_HEAD) if bytes.fromhex(name) in bomb[:64])
    rest = (
        element(INFO, number("2AD7B1", 1_000_000)) + element(TRACKS, track()) + element(CLUSTER, _block(bytes(1_600)))
    )
    for position in (0, len(_pointer(name, 0)) + len(rest) + bomb.index(bytes.fromhex(name))):
        pointer = _pointer(name, position)
    return _file(pointer, rest, bomb)


def _pointer(name: str, position: int) -> bytes:
    return element(SEEK_HEAD, element("4DBB", small("53AB", bytes.fromhex(name)), number("53AC", position, 8)))


def _file(*parts: bytes) -> bytes:
    return element(HEADER, small("4282", b"matroska")) + element(SEGMENT, *parts)


def _endless(bomb: bytes) -> bytes:
    return bomb[:4] + b"\x01" + b"\xff" * 7 + bomb[12:]


def _block(data: bytes, index: int = 1, flags: int = 0x80) -> bytes:
    return element("A3", bytes([0x80 | index, 0, 0, flags]), data)


def _group(additions: bytes) -> bytes:
    return element("A0", element("A1", bytes([0x81, 0, 0, 0]), bytes(1_600)), element("75A1", additions))
