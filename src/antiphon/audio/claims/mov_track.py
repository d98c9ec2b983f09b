"""Size of FFmpeg's index of one track of an MP4 or MOV file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from antiphon.audio.claims.alac import check_alac
from antiphon.audio.claims.boxes import Box
from antiphon.audio.claims.source import ByteSource
from antiphon.audio.pyav import invalid_audio

_CONSTANT_SIZE_SOUND = frozenset(
    [
        *(b"sowt", b"twos", b"raw ", b"NONE", b"in24", b"in32", b"fl32", b"fl64", b"lpcm", b"ipcm", b"fpcm"),
        *(b"ulaw", b"alaw", b"ima4", b"MAC3", b"MAC6", b"agsm", b"QDM2", b"QDMC", b"Qclp", b".mp3"),
        *(b"ms\x00\x02", b"ms\x00\x11", b"ms\x00\x31", b"ms\x00\x55"),
    ]
)
"""Codecs of which FFmpeg indexes chunks, not samples, if every sample lasts one tick."""
_MEDIA_HANDLERS = frozenset({b"soun", b"vide", b"auxv", b"pict", b"subp", b"clcp", b"m1a "})
_SAMPLES_PER_ENTRY = 1_024
"""Then each entry covers this many samples of a chunk."""

_TABLE_NAMES = re.compile(rb"moov|moof|trak|traf|trun|st(?:bl|co|sc|ss|sz|ts|z2)|co64|ctts|elst|sidx|senc|saiz")
"""Boxes that are invalid in the description of a codec, where FFmpeg would read them too."""
_MAX_DESCRIPTION_BYTES = 1024 * 1024


@dataclass(slots=True)
class Track:
    """Claims of the boxes of a track."""

    samples: int = 0
    sample_bytes: int = 0
    """Total size of all samples, if they have one size."""
    chunks: int = 0
    samples_per_chunk: int = 0
    """Maximum over the chunks."""
    durations: list[int] = field(default_factory=list)
    """In ticks, per run of samples: the first of a table, and one more if there are others."""
    edits: int = 0
    handlers: set[bytes] = field(default_factory=set)
    """Types of the track, and in MOV of its data and metadata."""
    codecs: set[bytes] = field(default_factory=set)

    def take(self, source: ByteSource, box: Box) -> None:
        """Note the claims of a box."""
        at, room = box.start, box.end - box.start
        match box.name:
            case b"hdlr":
                self.handlers.add(source.read(at + 8, 4))
            case b"stsd":
                self._take_codecs(source, at, room)
            case b"stsz" | b"stz2":
                self._take_sizes(source, box)
            case b"stts":
                runs = source.number(at + 4, 4)
                self.durations += [source.number(at + 12 + 8 * run, 4) for run in range(min(runs, 2))] or [0]
            case b"stco" | b"co64":
                self.chunks += source.number(at + 4, 4)
            case b"stsc":
                runs = source.words(at + 8, 3 * source.number(at + 4, 4))
                self.samples_per_chunk = max([self.samples_per_chunk, *map(max, runs)])
            case b"elst":
                self._take_edits(source, box)
            case _:
                pass

    @property
    def is_by_chunk(self) -> bool:
        """Whether samples need no entries of their own."""
        is_sound = self.handlers & _MEDIA_HANDLERS == {b"soun"}
        return is_sound and self.durations == [1] and bool(self.codecs) and self.codecs <= _CONSTANT_SIZE_SOUND

    @property
    def entries(self) -> int:
        """Entries of the index, before edits."""
        if self.is_by_chunk:
            return self.chunks * (1 + self.samples_per_chunk // _SAMPLES_PER_ENTRY)
        return self.samples

    def _take_codecs(self, source: ByteSource, at: int, room: int) -> None:
        if room > _MAX_DESCRIPTION_BYTES:
            raise invalid_audio(f"the description of a codec claims {room} bytes")
        body = source.read(at, room)
        if found := _TABLE_NAMES.search(body):
            raise invalid_audio(f"the description of a codec has a box {found[0].decode()} in it")
        entry, count = 8, int.from_bytes(body[4:8], "big")
        while count and entry + 8 <= len(body):
            size, codec = int.from_bytes(body[entry : entry + 4], "big"), body[entry + 4 : entry + 8]
            self.codecs.add(codec)
            if codec == b"alac":
                check_alac(body[entry + 8 : entry + size])
            entry += max(8, size)
            count -= 1

    def _take_sizes(self, source: ByteSource, box: Box) -> None:
        size, count = source.number(box.start + 4, 4), source.number(box.start + 8, 4)
        bits = size & 0xFF if box.name == b"stz2" else 32
        is_constant = box.name == b"stsz" and size > 0
        if not is_constant:
            source.check_table(box.name.decode(), (count * bits + 7) // 8, 1, box.end - box.start - 12)
        self.samples += count
        self.sample_bytes += count * size * is_constant

    def _take_edits(self, source: ByteSource, box: Box) -> None:
        is_wide, count = source.number(box.start, 1) == 1, source.number(box.start + 4, 4)
        source.check_table("elst", count, 20 if is_wide else 12, box.end - box.start - 8)
        self.edits += count
