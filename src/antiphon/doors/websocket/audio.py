"""Audio at the realtime door: what was heard and not yet committed, what belongs to items, and the formats."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from antiphon.audio import g711
from antiphon.audio.resample import Resampler, resample
from antiphon.audio.ticks import TICKS_PER_S
from antiphon.wire.realtime_session import AudioFormat, AudioPcma, AudioPcmu

PCM_HZ = 24_000
G711_HZ = 8_000


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


@dataclass(frozen=True, slots=True)
class Clip:
    """A piece of audio: s16le mono."""

    data: bytes
    rate_hz: int


class InputBuffer:
    """What the client has said since the last commit. Positions are ticks since the session's start."""

    def __init__(self, form: AudioFormat) -> None:
        self._form = form
        self._rate_hz = rate_hz(form)
        self._data = bytearray()
        self._start = 0
        self._odd = b""
        self._last: tuple[tuple[int, int], Clip] | None = None

    def reformat(self, form: AudioFormat) -> None:
        """Go on in another format; what lies in the buffer is brought to its rate."""
        if rate_hz(form) == self._rate_hz:
            self.replace(form, self._data)
        else:
            self.replace(form, bytearray(resample(self.whole(), self._rate_hz, rate_hz(form))))

    def replace(self, form: AudioFormat, pcm: bytearray) -> None:
        """Go on in another format, with what lies in the buffer given at its rate."""
        self._form, self._rate_hz, self._data, self._odd = form, rate_hz(form), pcm, b""
        self._last = None

    def whole(self) -> bytes:
        """Return all that lies in the buffer."""
        return bytes(self._data)

    def decode(self, data: bytes) -> bytes:
        """Return wire audio as s16le; half a sample waits for its other half."""
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
        """Sample rate of what lies in the buffer."""
        return self._rate_hz

    @property
    def start(self) -> int:
        """Where what lies in the buffer begins."""
        return self._start

    @property
    def size_bytes(self) -> int:
        """Size of what lies in the buffer."""
        return len(self._data)

    def clip(self, start: int, end: int) -> Clip:
        """Return the audio from ``start`` to ``end``; the same piece twice in a row is copied once."""
        place = self._offset(start), self._offset(end)
        if self._last is None or self._last[0] != place:
            with memoryview(self._data) as view:
                self._last = place, Clip(bytes(view[slice(*place)]), self._rate_hz)
        return self._last[1]

    def forget(self, end: int, *, is_break: bool = False) -> None:
        """Drop what lies before ``end``; at a break the client begins anew, and half a sample waits for nothing."""
        self._last = None
        del self._data[: self._offset(end)]
        self._start = max(self._start, end)
        if is_break:
            self._odd = b""

    def _offset(self, ticks: int) -> int:
        start, end = (at * self._rate_hz // TICKS_PER_S for at in (self._start, max(self._start, ticks)))
        return min(len(self._data), (end - start) * 2)


class SpeechEncoder:
    """Brings one answer's speech from 24 kHz PCM to a wire format."""

    def __init__(self, item_id: str, form: AudioFormat) -> None:
        self.item_id = item_id
        self.form = form
        self.kept_ticks = 0
        """How much speech is kept back."""
        self._resampler = Resampler(PCM_HZ, rate_hz(form))

    def encode(self, pcm: bytes) -> bytes:
        """Return the next piece; a resampler keeps up to a tenth of a second back."""
        data = from_pcm(self.form, self._resampler.feed(pcm))
        self.kept_ticks += len(pcm) // 2 - audio_ticks(self.form, data)
        return data

    def finish(self) -> bytes:
        """Return what was kept back."""
        return from_pcm(self.form, self._resampler.flush())


class ItemAudio:
    """The audio of a session's items, in wire format: in memory up to ``limit_bytes``, then in a file."""

    def __init__(self, limit_bytes: int = 64 * 2**20, spill_dir: Path | None = None) -> None:
        self._limit = limit_bytes
        self._spill_dir = spill_dir
        self._clips: dict[str, list[bytes]] = {}
        self._sizes: dict[str, int] = {}
        self._forms: dict[str, AudioFormat] = {}
        self._spilled: dict[str, tuple[int, int]] = {}
        self._bytes = 0
        self._file = None

    def add(self, item_id: str, form: AudioFormat, data: bytes) -> None:
        """Append to an item's audio."""
        self._forms[item_id] = form
        self._clips.setdefault(item_id, []).append(data)
        self._sizes[item_id] = self._sizes.get(item_id, 0) + len(data)
        self._bytes += len(data)
        while self._bytes > self._limit and len(self._clips) > 1:
            self._spill(next(iter(self._clips)))

    def get(self, item_id: str) -> bytes:
        """Return an item's audio, empty where there is none."""
        return b"".join(self.pieces(item_id))

    def pieces(self, item_id: str) -> list[bytes]:
        """Return an item's audio in pieces, which costs no copy of what lies in memory."""
        pieces = list(self._clips.get(item_id, ()))
        if item_id in self._spilled and self._file is not None:
            offset, size = self._spilled[item_id]
            self._file.seek(offset)
            pieces.insert(0, self._file.read(size))
        return pieces

    def clip(self, item_id: str) -> Clip:
        """Return an item's audio as PCM."""
        form = self._forms[item_id]
        return Clip(to_pcm(form, self.get(item_id)), rate_hz(form))

    def cut(self, item_id: str, ticks: int) -> None:
        """Keep the first ``ticks``."""
        if item_id not in self._forms:
            return
        form = self._forms[item_id]
        width = 1 if rate_hz(form) == G711_HZ else 2
        kept = self.get(item_id)[: ticks * rate_hz(form) // TICKS_PER_S * width]
        self.forget(item_id)
        self.add(item_id, form, kept)

    def forget(self, item_id: str) -> None:
        """Drop an item's audio."""
        self._clips.pop(item_id, None)
        self._bytes -= self._sizes.pop(item_id, 0)
        self._spilled.pop(item_id, None)
        self._forms.pop(item_id, None)

    def close(self) -> None:
        """Drop everything: whoever still refers to it must not keep it."""
        self._clips.clear()
        if self._file is not None:
            self._file.close()

    def _spill(self, item_id: str) -> None:
        """Move the oldest item's audio to an unnamed file, which goes with the process."""
        pieces = self.pieces(item_id)
        del self._clips[item_id]
        self._bytes -= self._sizes.pop(item_id)
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._spill_dir)  # noqa: SIM115 -- lives as long as the session
        offset = self._file.seek(0, 2)
        self._file.writelines(pieces)
        self._spilled[item_id] = (offset, sum(map(len, pieces)))
