"""Audio of sessions: wire formats, the input buffer, and the audio of items."""

from __future__ import annotations

import asyncio
import tempfile
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from antiphon.audio import g711
from antiphon.audio.pcm import Pcm
from antiphon.audio.resample import Resampler, resample
from antiphon.audio.ticks import TICKS_PER_S
from antiphon.folders import make_private
from antiphon.observe.tasks import unattended
from antiphon.wire.realtime_session import AudioFormat, AudioPcma, AudioPcmu

PCM_HZ = 24_000
G711_HZ = 8_000
_SPILL_STEP_BYTES = 2**20
"""Most that is written to a spill file in one step."""

_HELD_BYTES = 64 * 2**20
"""Audio of a session's items that stays in memory."""


def rate_hz(form: AudioFormat) -> int:
    """Return the sample rate of a wire format."""
    return G711_HZ if isinstance(form, AudioPcmu | AudioPcma) else PCM_HZ


def audio_ticks(form: AudioFormat, data: bytes) -> int:
    """Return the length of wire audio; half a sample does not count."""
    return len(data) * (TICKS_PER_S // G711_HZ) if rate_hz(form) == G711_HZ else len(data) // 2


def to_pcm(form: AudioFormat, data: bytes) -> bytes:
    """Return wire audio as s16le at the format's own rate."""
    match form:
        case AudioPcmu():
            return g711.decode_ulaw(data)
        case AudioPcma():
            return g711.decode_alaw(data)
        case _:
            return data


def from_pcm(form: AudioFormat, data: bytes) -> bytes:
    """Return s16le at the format's own rate as wire audio."""
    match form:
        case AudioPcmu():
            return g711.encode_ulaw(data)
        case AudioPcma():
            return g711.encode_alaw(data)
        case _:
            return data


class InputBuffer:
    """The client's audio since the last commit. Positions are ticks since the session's start."""

    def __init__(self, form: AudioFormat) -> None:
        self._form = form
        self._rate_hz = rate_hz(form)
        self._data = bytearray()
        self._start = 0
        self._odd = b""
        self._last: tuple[tuple[int, int], Pcm] | None = None

    def reformat(self, form: AudioFormat) -> None:
        """Change the format; buffered audio is resampled to its rate."""
        if rate_hz(form) == self._rate_hz:
            self.replace(form, self._data)
        else:
            self.replace(form, bytearray(resample(self.whole(), self._rate_hz, rate_hz(form))))

    def replace(self, form: AudioFormat, pcm: bytearray) -> None:
        """Change the format, and replace the buffered audio by ``pcm`` at its rate."""
        self._form, self._rate_hz, self._data, self._odd = form, rate_hz(form), pcm, b""
        self._last = None

    def whole(self) -> bytes:
        """Return all buffered audio."""
        return bytes(self._data)

    def decode(self, data: bytes) -> bytes:
        """Return wire audio as s16le; half a sample waits for the next call."""
        if self._rate_hz == G711_HZ:
            return to_pcm(self._form, data)
        if self._odd or len(data) % 2:
            data = self._odd + data
            self._odd = data[len(data) // 2 * 2 :]
            data = data[: len(data) // 2 * 2]
        return data

    def ticks(self, pcm: bytes) -> int:
        """Return the length of decoded audio."""
        return len(pcm) // 2 * (TICKS_PER_S // self._rate_hz)

    def append(self, pcm: bytes) -> None:
        """Add decoded audio."""
        self._data += pcm

    def encode(self, pcm: bytes) -> bytes:
        """Return decoded audio in the wire format again."""
        return from_pcm(self._form, pcm)

    @property
    def form(self) -> AudioFormat:
        """The wire format that the client sends."""
        return self._form

    @property
    def rate_hz(self) -> int:
        """Sample rate of the buffered audio."""
        return self._rate_hz

    @property
    def start(self) -> int:
        """Position of the first buffered sample."""
        return self._start

    @property
    def size_bytes(self) -> int:
        """Size of the buffered audio."""
        return len(self._data)

    def clip(self, start: int, end: int) -> Pcm:
        """Return the audio from ``start`` to ``end``; a repeated call for the same piece makes no copy."""
        place = self._offset(start), self._offset(end)
        if self._last is None or self._last[0] != place:
            with memoryview(self._data) as view:
                self._last = place, Pcm(bytes(view[slice(*place)]), self._rate_hz)
        return self._last[1]

    def forget(self, end: int, *, is_break: bool = False) -> None:
        """Drop the audio before ``end``; at a break half a sample that waits is dropped as well."""
        self._last = None
        del self._data[: self._offset(end)]
        self._start = max(self._start, end)
        if is_break:
            self._odd = b""

    def _offset(self, ticks: int) -> int:
        start, end = (at * self._rate_hz // TICKS_PER_S for at in (self._start, max(self._start, ticks)))
        return min(len(self._data), (end - start) * 2)


class SpeechEncoder:
    """Converts one answer's speech from 24 kHz PCM to a wire format."""

    def __init__(self, item_id: str, form: AudioFormat) -> None:
        self.item_id = item_id
        self.form = form
        self.kept_ticks = 0
        """Speech that the resampler holds."""
        self._resampler = Resampler(PCM_HZ, rate_hz(form))

    def encode(self, pcm: bytes) -> bytes:
        """Return the next piece; a resampler holds up to a tenth of a second."""
        data = from_pcm(self.form, self._resampler.feed(pcm))
        self.kept_ticks += len(pcm) // 2 - audio_ticks(self.form, data)
        return data

    def finish(self) -> bytes:
        """Return the speech that the resampler holds."""
        return from_pcm(self.form, self._resampler.flush())


class SpillFile:
    """An unnamed file, deleted when the process ends or the last reference to it is dropped."""

    def __init__(self, folder: Path) -> None:
        make_private(folder)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 -- `finalize` closes it
        self._lock = threading.Lock()
        weakref.finalize(self, self._file.close)

    def write(self, offset: int, pieces: Sequence[bytes]) -> None:
        """Write pieces in order; blocks, so call it in a thread."""
        for piece in pieces:
            for start in range(0, len(piece), _SPILL_STEP_BYTES):  # a reader waits for one step only
                with self._lock:
                    self._file.seek(offset + start)
                    self._file.write(memoryview(piece)[start : start + _SPILL_STEP_BYTES])
            offset += len(piece)

    def read(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``; blocks."""
        with self._lock:
            self._file.seek(offset)
            return self._file.read(size)


@dataclass(slots=True)
class _Item:
    """One item's audio: first the part in the file, then the part in memory."""

    form: AudioFormat
    spilled: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Offset and size of each piece in the file."""
    pieces: list[bytes] = field(default_factory=list[bytes])
    """The part in memory."""

    @property
    def kept_bytes(self) -> int:
        """Size of the part in memory."""
        return sum(map(len, self.pieces))

    @property
    def size_bytes(self) -> int:
        """Size of both parts."""
        return sum(size for _, size in self.spilled) + self.kept_bytes


class ItemAudio:
    """The audio of a session's items, in wire format: in memory up to about ``limit_bytes``, then in a file.

    The file is written in a thread, one item after the other; until an item is written it stays in memory.
    """

    def __init__(self, spill_dir: Path, *, limit_bytes: int = _HELD_BYTES) -> None:
        self._limit = limit_bytes
        self._spill_dir = spill_dir
        self._items: dict[str, _Item] = {}
        self._bytes = 0
        self._file: SpillFile | None = None
        self._end = 0
        """Size of the file."""
        self._spilling: asyncio.Task[None] | None = None

    def add(self, item_id: str, form: AudioFormat, data: bytes) -> None:
        """Append to an item's audio. Raises `OSError` when an earlier item could not be written to the file."""
        item = self._items.setdefault(item_id, _Item(form))
        item.form = form
        item.pieces.append(data)
        self._bytes += len(data)
        if self._spilling is not None and self._spilling.done():
            self._spilling.result()
            self._spilling = None
        if self._spilling is None and self._next_to_spill() is not None:
            self._spilling = unattended(self._spill(), name="item audio")

    def size_bytes(self, item_id: str) -> int:
        """Return the size of an item's audio."""
        item = self._items.get(item_id)
        return 0 if item is None else item.size_bytes

    def reader(self, item_id: str) -> Callable[[], list[bytes]]:
        """Return a function that reads an item's present audio in pieces, from any thread; it may block on the file."""
        item, file = self._items.get(item_id), self._file
        if item is None:
            return list
        spilled, pieces = tuple(item.spilled), tuple(item.pieces)

        def read() -> list[bytes]:
            return [*(file.read(*place) for place in spilled if file is not None), *pieces]

        return read

    def get(self, item_id: str) -> bytes:
        """Return an item's audio, empty if it has none; may block on the file."""
        return b"".join(self.reader(item_id)())

    def clip(self, item_id: str) -> Pcm:
        """Return an item's audio as PCM."""
        form = self._items[item_id].form
        return Pcm(to_pcm(form, self.get(item_id)), rate_hz(form))

    def cut(self, item_id: str, ticks: int) -> None:
        """Keep the first ``ticks``."""
        item = self._items.get(item_id)
        if item is None:
            return
        width = 1 if rate_hz(item.form) == G711_HZ else 2
        left = ticks * rate_hz(item.form) // TICKS_PER_S * width
        kept = _Item(item.form)
        for offset, size in item.spilled:
            kept.spilled.append((offset, min(size, left)))
            left -= min(size, left)
        for piece in item.pieces:
            kept.pieces.append(piece[:left])
            left -= len(kept.pieces[-1])
        self._bytes -= item.kept_bytes - kept.kept_bytes
        self._items[item_id] = kept

    def forget(self, item_id: str) -> None:
        """Drop an item's audio."""
        item = self._items.pop(item_id, None)
        if item is not None:
            self._bytes -= item.kept_bytes

    def close(self) -> None:
        """Drop all audio, also while this object is still referred to."""
        self._items.clear()
        self._bytes = 0
        self._file = None

    def _next_to_spill(self) -> str | None:
        """Return the oldest item in memory when they exceed the limit; the newest item stays."""
        if self._bytes <= self._limit:
            return None
        oldest, *others = islice((item_id for item_id, item in self._items.items() if item.pieces), 2)
        return oldest if others else None

    async def _spill(self) -> None:
        while (item_id := self._next_to_spill()) is not None:
            item, offset = self._items[item_id], self._end
            pieces = tuple(item.pieces)
            size = sum(map(len, pieces))
            self._end += size
            if self._file is None:
                self._file = await asyncio.to_thread(SpillFile, self._spill_dir)
            await asyncio.to_thread(self._file.write, offset, pieces)
            if self._items.get(item_id) is item:  # otherwise it was cut or forgotten meanwhile
                item.spilled.append((offset, size))
                del item.pieces[: len(pieces)]
                self._bytes -= size
