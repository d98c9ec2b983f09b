"""Changes the sample rate of a stream or of a whole recording."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

_BLOCK_BYTES = 2**21
"""A long recording is resampled in blocks: as floats it is twice as large."""


class Resampler:
    """Resamples one mono s16le stream; the pieces it returns join without clicks.

    Pieces may be cut anywhere, also inside a sample. The joined result does not depend on the cuts, and equals
    `resample` of the whole. The filter holds back the newest audio until `flush`: about 40 ms at 24 kHz,
    80 to 120 ms at 8 kHz; ``quick`` halves that with a filter good enough for detectors and recognisers.
    Between equal rates bytes pass through at once.
    """

    def __init__(self, from_hz: int, to_hz: int, *, quick: bool = False) -> None:
        self._rates = (from_hz, to_hz)
        self._quality = "LQ" if quick else "HQ"
        self._stream = self._open()
        self._odd = b""

    def feed(self, data: bytes) -> bytes:
        """Resample more of the stream and return the finished bytes, possibly none."""
        data = self._odd + data
        whole = len(data) & ~1
        self._odd = data[whole:]
        if self._stream is None:
            return data[:whole]
        return _to_s16(self._stream.resample_chunk(_to_float(data[:whole])))

    def flush(self) -> bytes:
        """End the stream: return the rest (half a sample is dropped) and reset for a new one."""
        self._odd = b""
        if self._stream is None:
            return b""
        rest = _to_s16(self._stream.resample_chunk(_to_float(b""), last=True))
        self._stream = self._open()
        return rest

    def _open(self) -> soxr.ResampleStream | None:
        from_hz, to_hz = self._rates
        if from_hz == to_hz:
            return None
        return soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality=self._quality)


def resample(data: bytes, from_hz: int, to_hz: int) -> bytes:
    """Resample mono s16le audio of any length in one piece."""
    resampler = Resampler(from_hz, to_hz)
    blocks = (data[start : start + _BLOCK_BYTES] for start in range(0, len(data), _BLOCK_BYTES))
    return b"".join(map(resampler.feed, blocks)) + resampler.flush()


def _to_float(data: bytes) -> NDArray[np.float32]:
    # in float: soxr dithers 16-bit output at random, and a replay must give the same bytes
    return np.frombuffer(data, "<i2").astype(np.float32)


def _to_s16(samples: NDArray[np.float32]) -> bytes:
    return np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()
