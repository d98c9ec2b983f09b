"""Matroska and WebM: lists of elements, for which FFmpeg keeps up to 45 bytes per byte, and packed blocks.

FFmpeg also finds lists outside their places: the seek head may point into the sound, and after an unknown element it
searches the next one byte by byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from antiphon.audio.claims.alac import check_alac
from antiphon.audio.claims.ebml import (
    CLUSTER,
    SEGMENT,
    SIMPLE_BLOCK,
    UNKNOWN,
    Element,
    behind_blocks,
    element_at,
    elements,
    number_at,
)
from antiphon.audio.claims.limits import MAX_DEPTH
from antiphon.audio.claims.source import ByteSource
from antiphon.audio.pyav import invalid_audio

_SEEK_HEAD, _SEEK, _SEEK_POSITION = 0x114D9B74, 0x4DBB, 0x53AC
_TRACKS, _TRACK, _TRACK_NUMBER = 0x1654AE6B, 0xAE, 0xD7
_CUES, _TAGS, _SIMPLE_TAG = 0x1C53BB6B, 0x1254C367, 0x67C8
_CHAPTERS, _ATTACHMENTS, _INFO = 0x1043A770, 0x1941A469, 0x1549A966
_ENCODINGS, _ENCODING, _COMPRESSION, _ALGORITHM, _SETTINGS = 0x6D80, 0x6240, 0x5034, 0x4254, 0x4255
_CODEC, _PRIVATE = 0x86, 0x63A2
_BLOCK_GROUP, _BLOCK = 0xA0, 0xA1

_LISTS = (_SEEK_HEAD, _TRACKS, _CUES, _TAGS, _CHAPTERS, _ATTACHMENTS, _INFO)
_NESTS = frozenset(
    [
        *(_TRACK, _ENCODINGS, _ENCODING, _COMPRESSION, _SIMPLE_TAG, _BLOCK_GROUP, _SEEK),
        *(0xE0, 0x55B0, 0x55D0, 0x7670, 0xE1, 0xE2, 0xE3, 0xE4, 0xE9, 0x41E4, 0x5035, 0x47E7),  # of a track
        *(0x7373, 0x63C0, 0x61A7, 0x75A1, 0xA6),  # tags, attachments, additions to a block
        *(0x45B9, 0xB6, 0x80, 0x8F, 0x6944),  # chapters
    ]
)
"""Elements that hold others, except cue points, which are too many to check."""

_HEADER_STRIPPING = 3
_MAX_SETTINGS_BYTES = 4 * 1024
"""Limit of the bytes that are put before every frame; usual files need a few."""
_ALAC = int.from_bytes(b"A_ALAC", "big")
_MAX_PRIVATE_BYTES = 1024
_LACED = 0x06
_BYTES_PER_PART_OF_CUE = 16

_HARMLESS_BYTES = 1024 * 1024
"""A cluster or a group up to this size cannot take much memory."""
_SCANNED_BYTES = 64 * 1024 * 1024
"""Files up to this size are searched for hidden lists."""
_HIDDEN = re.compile(b"|".join(re.escape(name.to_bytes(4, "big")) for name in (*_LISTS, CLUSTER)))


def check_matroska(source: ByteSource) -> None:
    """Check a file of elements."""
    claims = _Claims(source)
    claims.find()
    claims.check()


class _Claims:
    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._lists: dict[int, Element] = {}
        self._clusters: dict[int, Element] = {}
        """By position."""
        self._walked: set[int] = set()
        """Positions of clusters of unknown size, which are read while finding lists."""
        self._packed: set[int] = set()
        """Numbers of tracks whose frames are compressed."""

    def find(self) -> None:
        """Find all lists and clusters."""
        for element in elements(self._source, 0, self._source.size):
            if element.id == SEGMENT:
                self._find_in_segment(element)
        if self._source.size <= _SCANNED_BYTES:
            self._find_anywhere()

    def check(self) -> None:
        """Check what was found."""
        for element in self._lists.values():
            self._count(element, 0)
        for at, element in self._clusters.items():
            if self._packed or (at not in self._walked and element.end - at > _HARMLESS_BYTES):
                self._check_cluster(element)

    def _find_in_segment(self, segment: Element) -> None:
        at = segment.start
        while at < min(segment.end, self._source.size):
            self._source.step()
            element = element_at(self._source, at)
            if element is None:
                return
            self._note(element)
            if element.id == _SEEK_HEAD:
                self._follow(element, segment.start)
            at = element.end
            if element.id == CLUSTER and element.end == UNKNOWN:
                self._walked.add(element.start)
                at = element.start  # its blocks are read like its siblings
            at = behind_blocks(self._source, at, segment.end)

    def _follow(self, seek_head: Element, origin: int) -> None:
        """Note the targets of a seek head, and of the seek heads among these."""
        pending = [seek_head]
        for here in pending:
            for at in self._positions(here):
                target = element_at(self._source, origin + at)
                if target and target.start not in self._lists:
                    self._note(target)
                    pending += [target] if target.id == _SEEK_HEAD else []

    def _positions(self, seek_head: Element) -> Iterator[int]:
        for seek in elements(self._source, seek_head.start, seek_head.end):
            for element in elements(self._source, seek.start, seek.end):
                if element.id == _SEEK_POSITION:
                    yield self._value(element)

    def _find_anywhere(self) -> None:
        for at in self._source.search(_HIDDEN, 0, self._source.size, 4):
            self._source.step()
            if element := element_at(self._source, at):
                self._note(element)

    def _note(self, element: Element) -> None:
        if element.id in _LISTS:
            self._lists[element.start] = element
        elif element.id == CLUSTER:
            self._clusters[element.start] = element
        elif element.id == _BLOCK_GROUP and element.end - element.start > _HARMLESS_BYTES:
            self._lists[element.start] = element

    def _count(self, parent: Element, depth: int) -> None:
        """Count the elements of a list again: each costs up to 135 bytes of memory."""
        for element in elements(self._source, parent.start, parent.end):
            size = min(element.end, parent.end) - element.start
            self._source.step(1 + size // _BYTES_PER_PART_OF_CUE if parent.id == _CUES else 1)
            if element.id == _TRACK:
                self._take_track(element)
            if element.id == _SIMPLE_TAG:
                self._source.tag()
            if element.id in _NESTS and depth < MAX_DEPTH:
                self._count(element, depth + 1)

    def _take_track(self, track: Element) -> None:
        """Check a track, with all copies of repeated elements: FFmpeg uses the first or the last, by type."""
        self._source.track()
        numbers, codecs, encodings = (list(self._inside(track, name)) for name in (_TRACK_NUMBER, _CODEC, _ENCODINGS))
        are_stripped = [self._is_stripped(one) for each in encodings for one in self._inside(each, _ENCODING)]
        if not all(are_stripped):
            self._packed.update(map(self._value, numbers or [None]))
        if _ALAC in map(self._value, codecs):
            for private in self._inside(track, _PRIVATE):
                check_alac(self._source.read(private.start, min(private.end - private.start, _MAX_PRIVATE_BYTES)))

    def _is_stripped(self, encoding: Element) -> bool:
        """Say whether frames are not compressed, but lack a common prefix."""
        compressions = list(self._inside(encoding, _COMPRESSION))
        for settings in (one for each in compressions for one in self._inside(each, _SETTINGS)):
            size = settings.end - settings.start
            if size > _MAX_SETTINGS_BYTES:
                raise invalid_audio(f"the file claims a common prefix of {size} bytes for all frames of a track")
        algorithms = [self._value(one) for each in compressions for one in self._inside(each, _ALGORITHM)]
        return len(algorithms) == len(compressions) > 0 and set(algorithms) == {_HEADER_STRIPPING}

    def _inside(self, parent: Element, name: int) -> Iterator[Element]:
        """Yield the direct children of one type."""
        return (element for element in elements(self._source, parent.start, parent.end) if element.id == name)

    def _value(self, element: Element | None) -> int:
        """Return a number, or the beginning of a name as one; 0 without an element."""
        return self._source.number(element.start, min(8, element.end - element.start)) if element else 0

    def _check_cluster(self, cluster: Element) -> None:
        at, end = cluster.start, min(cluster.end, self._source.size)
        while at < end:
            self._source.step()
            element = element_at(self._source, at)
            if element is None or element.id == CLUSTER or element.id in _LISTS:
                return
            self._check_blocks(element)
            at = element.end if self._packed else behind_blocks(self._source, element.end, end)

    def _check_blocks(self, element: Element) -> None:
        if element.id == _BLOCK_GROUP and element.end - element.start > _HARMLESS_BYTES:
            self._count(element, 0)
        if self._packed:
            self._check_lacing(element)

    def _check_lacing(self, element: Element) -> None:
        """Check that a block, or the block of a group, does not unpack to many frames."""
        inner = elements(self._source, element.start, element.end) if element.id == _BLOCK_GROUP else [element]
        for block in inner:
            if block.id not in {_BLOCK, SIMPLE_BLOCK}:
                continue
            track, flags_at = number_at(self._source, block.start)
            if track in self._packed and self._source.number(flags_at + 2, 1) & _LACED:
                raise invalid_audio(f"the file has many compressed frames in one block of track {track}")
