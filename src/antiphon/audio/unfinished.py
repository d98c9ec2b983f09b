"""Repairs files of killed or streaming recorders: their sound extends to the end of the file.

These are the formats that FFmpeg does not repair. Only sizes of the sound itself are corrected, which cost no memory.
Tables, which do, are left as they are and checked afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import BinaryIO, cast

from antiphon.audio.chunks import CAF, IFF, RIFF, Chunk, are_chunks, chunks, sound_end
from antiphon.audio.claims.boxes import Box, boxes
from antiphon.audio.claims.ebml import CLUSTER, SEGMENT, UNKNOWN, behind_blocks, element_at, elements
from antiphon.audio.claims.source import ByteSource
from antiphon.audio.ogg_tail import last_page
from antiphon.audio.patched import Patched

Patches = dict[int, bytes]
"""Replacement bytes by position."""

_UNKNOWN = b"\xff" * 4
_FIRST_CHUNK = 12
_CAF_FIRST_CHUNK = 8
_DS64_SIZE_AT = 8
_COMMON_FRAMES_AT = 2
_MOST_FRAMES = 2**31 - 1
_SOUND_HEADER_BYTES = 8
"""Size of an empty SSND chunk of AIFF."""
_EDIT_COUNT_BYTES = 4
"""Size of an empty data chunk of CAF."""
_TAG_HEADER_BYTES = 10
_BOX_HEADER_BYTES = 8
_IS_LONG = 1
"""In place of the size of a box whose size has 64 bits."""
_INDEX = re.compile(rb"moov....mvhd", re.DOTALL)
_INDEX_BYTES = 12
_PACKETS = re.compile(b"pakt")


def finished(file: BinaryIO, container: str) -> BinaryIO:
    """Return the file as its recorder would have finished it, or the file itself if it needs no repair.

    ``container`` is FFmpeg's name. Raises `InvalidRequest` with param ``file`` for a file of too many parts.
    """
    source = ByteSource(file)
    if container == "ogg":
        page = last_page(source)
        patches, size = (dict([page]), page[0] + len(page[1])) if page else ({}, source.size)
    else:
        find = _FINDERS.get(container)
        patches, size = find(source) if find else {}, source.size
    file.seek(0)
    return cast("BinaryIO", Patched(file, patches, size)) if patches else file


def _wav(source: ByteSource) -> Patches:
    """Turn an RF64 file without a valid size of the sound into a WAV file of unknown size."""
    if source.read(0, 4) != b"RF64":
        return {}
    long_size = 0
    for chunk in chunks(source, _FIRST_CHUNK, RIFF):
        if chunk.name == b"ds64" and chunk.start == _FIRST_CHUNK + RIFF.head_bytes:
            long_size = source.little(chunk.start + _DS64_SIZE_AT, 8)
        if chunk.name == b"data":
            is_true = 0 < long_size <= source.size - chunk.start
            return {} if is_true else {0: b"RIFF", chunk.start - len(_UNKNOWN): _UNKNOWN}
    return {}


def _aiff(source: ByteSource) -> Patches:
    """Correct the sizes of the sound and of the file, and numbers of samples that FFmpeg reads as negative."""
    patches: Patches = {}
    for chunk in chunks(source, _FIRST_CHUNK, IFF):
        frames_at = chunk.start + _COMMON_FRAMES_AT
        if chunk.name == b"COMM" and source.number(frames_at, 4) > _MOST_FRAMES:
            patches[frames_at] = bytes(4)
        if chunk.name == b"SSND":
            end = sound_end(source, chunk, IFF, empty_bytes=_SOUND_HEADER_BYTES)
            patches |= _size_patch(chunk, end, 4)
            if not end <= 8 + source.number(4, 4) <= source.size:
                patches[4] = _number(source.size - 8, 4)
            break
    return patches


def _caf(source: ByteSource) -> Patches:
    for chunk in chunks(source, _CAF_FIRST_CHUNK, CAF):
        if chunk.name == b"data":
            end = sound_end(source, chunk, CAF, empty_bytes=_EDIT_COUNT_BYTES)
            if end != chunk.start + chunk.size:
                tables = source.search(_PACKETS, chunk.start, end, 4)
                end = next((at for at in tables if are_chunks(source, at, CAF)), end)
            return _size_patch(chunk, end, 8)
    return {}


def _au(source: ByteSource) -> Patches:
    begin, size = source.number(4, 4), source.number(8, 4)
    return {8: _UNKNOWN} if begin + size > source.size else {}


def _mp3(source: ByteSource) -> Patches:
    """Set the length of a tag that is longer than the file to 0: FFmpeg then searches a frame after its header."""
    size = 0
    for byte in source.read(6, 4):
        size = size << 7 | byte & 0x7F
    is_cut = source.read(0, 3) == b"ID3" and _TAG_HEADER_BYTES + size > source.size
    return {6: bytes(4)} if is_cut else {}


def _matroska(source: ByteSource) -> Patches:
    """Set the size of clusters with size 0, whose blocks follow anyway, to unknown."""
    patches: Patches = {}
    segment = next((one for one in elements(source, 0, source.size) if one.id == SEGMENT), None)
    at = segment.start if segment else source.size
    while at < source.size and (element := element_at(source, at)) is not None and element.end != UNKNOWN:
        source.step()
        if element.id == CLUSTER and element.end == element.start:
            size_at = at + 4
            size_bytes = element.start - size_at
            patches[size_at] = (2 ** (7 * size_bytes + 1) - 1).to_bytes(size_bytes, "big")
        at = behind_blocks(source, element.end, source.size)
    return patches


def _mov(source: ByteSource) -> Patches:
    """End the sound of an MP4 file where its index begins, if its size includes the index."""
    sound: Box | None = None
    for box in boxes(source, 0, source.size):
        if box.name == b"moov":
            return {}
        sound = box if sound is None and box.name == b"mdat" else sound
    if sound is None or source.number(size_at := sound.start - _BOX_HEADER_BYTES, 4) == _IS_LONG:
        return {}
    for at in source.search(_INDEX, sound.start, source.size, _INDEX_BYTES):
        begin = at - 4
        if begin + source.number(begin, 4) <= source.size:
            return {size_at: _number(begin - size_at, 4)}
    return {}


def _size_patch(chunk: Chunk, end: int, size_bytes: int) -> Patches:
    size = end - chunk.start
    return {} if size == chunk.size else {chunk.start - size_bytes: _number(size, size_bytes)}


def _number(value: int, size_bytes: int) -> bytes:
    """Return a number in ``size_bytes``, at most the largest possible."""
    return min(value, 2 ** (8 * size_bytes) - 1).to_bytes(size_bytes, "big")


_FINDERS: dict[str, Callable[[ByteSource], Patches]] = {
    "wav": _wav,
    "aiff": _aiff,
    "caf": _caf,
    "au": _au,
    "mp3": _mp3,
    "matroska": _matroska,
    "mov": _mov,
}
