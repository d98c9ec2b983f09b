"""MP4, MOV, M4A and 3GP: the tables of samples, also in fragments."""

from __future__ import annotations

from antiphon.audio.claims.boxes import Box, boxes, children_start
from antiphon.audio.claims.limits import MAX_DEPTH
from antiphon.audio.claims.mov_track import Track
from antiphon.audio.claims.source import ByteSource
from antiphon.audio.pyav import invalid_audio

_NESTS = frozenset(
    b"moov trak mdia minf stbl edts udta ilst dinf mvex moof traf mfra meta iprp ipco ipro tref sinf schi".split()
)
_COMPRESSED = frozenset({b"cmov", b"cmvd", b"dcom"})
_TAG_LISTS = frozenset({b"udta", b"ilst"})
_ENCRYPTED = frozenset({b"senc", b"saiz", b"saio", b"tenc"})

_TABLES = {
    b"stts": (4, 8), b"ctts": (4, 8), b"stsc": (4, 12), b"stco": (4, 4), b"co64": (4, 8), b"stss": (4, 4),
    b"stps": (4, 4), b"stsd": (4, 8), b"dref": (4, 8), b"keys": (4, 8), b"iinf": (4, 4), b"tfra": (12, 11),
}  # fmt: skip
"""Position of the number of entries (32 bits) in the box, and the minimum size of an entry."""

_ENDLESS = 2**63
_ENTRIES_PER_FRAGMENT = 2
"""Memory of FFmpeg for a fragment of a track, in index entries."""


def check_mov(source: ByteSource) -> None:
    """Check a file of boxes."""
    claims = _Claims(source)
    claims.walk(Box(b"", 0, _ENDLESS), depth=0)
    claims.finish()


class _Claims:
    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._tracks: list[Track] = []
        self._constant_bytes = 0
        self._fragments = 0
        self._sizes: dict[int, int] = {}
        """Default size of a fragment's samples, by track."""
        self._size = 0
        """The same, in the current fragment."""
        self._is_cut = False

    def walk(self, parent: Box, depth: int) -> None:
        for box in boxes(self._source, children_start(self._source, parent), parent.end):
            self._is_cut = self._is_cut or box.end > self._source.size
            if parent.name in _TAG_LISTS or box.name == b"pssh":
                self._source.tag()
            self._take(box)
            if box.name in _NESTS and depth < MAX_DEPTH:
                self.walk(box, depth + 1)

    def finish(self) -> None:
        """Add up what the tracks claim."""
        copied = 0
        for track in self._tracks:
            self._source.claim(track.entries * max(1, track.edits))
            copied = max(copied, track.entries * bool(track.edits))
            self._constant_bytes += 0 if track.is_by_chunk else track.sample_bytes
        self._source.claim(copied)  # edits make a second index
        self._source.claim(self._fragments * (1 + len(self._tracks)) * _ENTRIES_PER_FRAGMENT)
        if self._constant_bytes > self._source.size and not self._is_cut:
            raise self._source.too_much(self._constant_bytes, "bytes of samples")

    def _take(self, box: Box) -> None:
        if box.name in _COMPRESSED:
            raise invalid_audio("the file's header is compressed")
        if box.name in _ENCRYPTED:
            raise invalid_audio("the file is encrypted")
        if box.name in _TABLES:
            at, entry_bytes = _TABLES[box.name]
            count, room = self._source.number(box.start + at, 4), box.end - box.start - at - 4
            self._source.check_table(box.name.decode(), count, entry_bytes, room)
            self._fragments += count if box.name == b"tfra" else 0
            self._source.tag(count if box.name == b"keys" else 0)
        match box.name:
            case b"trak":
                self._source.track()
                self._tracks.append(Track())
            case b"moof":
                self._fragments += 1
            case b"sidx":
                self._take_segments(box)
            case b"trex":
                track, size = self._source.number(box.start + 4, 4), self._source.number(box.start + 16, 4)
                self._sizes.setdefault(track, size)  # FFmpeg uses the first
            case b"tfhd":
                self._begin_fragment(box)
            case b"trun":
                self._take_run(box)
            case _:
                if self._tracks:
                    self._tracks[-1].take(self._source, box)

    def _take_segments(self, box: Box) -> None:
        is_wide = self._source.number(box.start, 1) > 0
        at = box.start + (28 if is_wide else 20) + 2
        count = self._source.number(at, 2)
        self._source.check_table("sidx", count, 12, box.end - at - 2)
        self._fragments += count

    def _begin_fragment(self, box: Box) -> None:
        flags, track = self._source.number(box.start + 1, 3), self._source.number(box.start + 4, 4)
        before = 8 + 8 * (flags & 1) + 4 * (flags >> 1 & 1) + 4 * (flags >> 3 & 1)
        has_size = flags >> 4 & 1
        self._size = self._source.number(box.start + before, 4) if has_size else self._sizes.get(track, 0)

    def _take_run(self, box: Box) -> None:
        """Count a run of samples; an entry has four bytes for each value that differs between samples."""
        flags, count = self._source.number(box.start + 1, 3), self._source.number(box.start + 4, 4)
        at = box.start + 8 + 4 * (flags & 1) + 4 * (flags >> 2 & 1)
        self._source.check_table("trun", count, 4 * (flags & 0xF00).bit_count(), box.end - at)
        self._source.claim(count)
        self._source.claim(count // 2)  # FFmpeg allocates more for these: it does not know their number in advance
        if not flags & 0x200:
            self._constant_bytes += count * self._size
