"""G.711: telephone audio of eight bits per sample, by table.

The tables follow the ITU's reference: magnitudes of negative samples are one's complement, so the curve is
symmetric around -0.5. Every code survives decoding and encoding, except mu-law's negative zero (0x7F), which
becomes 0xFF.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BIAS = 33
"""Added to 14-bit magnitudes by mu-law, so that each segment starts at a power of two."""
_LARGEST = 0x1FFF
_EVEN_BITS = 0x55
"""A-law inverts every second bit on the line."""


def encode_ulaw(pcm: bytes) -> bytes:
    """Compress s16le samples (an even number of bytes) to mu-law, one byte each."""
    return _ULAW_CODES[np.frombuffer(pcm, "<u2")].tobytes()


def decode_ulaw(codes: bytes) -> bytes:
    """Expand mu-law bytes to s16le samples."""
    return _ULAW_SAMPLES[np.frombuffer(codes, np.uint8)].tobytes()


def encode_alaw(pcm: bytes) -> bytes:
    """Compress s16le samples (an even number of bytes) to A-law, one byte each."""
    return _ALAW_CODES[np.frombuffer(pcm, "<u2")].tobytes()


def decode_alaw(codes: bytes) -> bytes:
    """Expand A-law bytes to s16le samples."""
    return _ALAW_SAMPLES[np.frombuffer(codes, np.uint8)].tobytes()


def _ulaw_codes() -> NDArray[np.uint8]:
    sample, magnitude = _every_sample()
    biased = np.minimum((magnitude >> 2) + _BIAS, _LARGEST)
    segment = _floor_log2(biased) - 5
    step = (biased >> (segment + 1)) & 0x0F
    sign = np.where(sample < 0, 0x80, 0)
    return (~(sign | (segment << 4) | step) & 0xFF).astype(np.uint8)


def _ulaw_samples() -> NDArray[np.int16]:
    code = ~np.arange(256) & 0xFF
    segment, step = (code >> 4) & 0x07, code & 0x0F
    magnitude = (((2 * step + _BIAS) << segment) - _BIAS) << 2
    return np.where(code & 0x80, -magnitude, magnitude).astype("<i2")


def _alaw_codes() -> NDArray[np.uint8]:
    sample, magnitude = _every_sample()
    level = magnitude >> 4
    segment = np.maximum(_floor_log2(np.maximum(level, 1)) - 3, 0)
    step = (level >> np.maximum(segment - 1, 0)) & 0x0F
    sign = np.where(sample < 0, 0, 0x80)
    return ((sign | (segment << 4) | step) ^ _EVEN_BITS).astype(np.uint8)


def _alaw_samples() -> NDArray[np.int16]:
    code = np.arange(256) ^ _EVEN_BITS
    segment, step = (code >> 4) & 0x07, code & 0x0F
    first = (step << 4) + 8
    magnitude = np.where(segment > 0, (first + 0x100) << np.maximum(segment - 1, 0), first)
    return np.where(code & 0x80, magnitude, -magnitude).astype("<i2")


def _every_sample() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all samples, in the order of their unsigned bits, and their one's complement magnitudes."""
    sample = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int64)
    return sample, np.where(sample < 0, ~sample, sample)


def _floor_log2(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the position of the highest set bit of positive integers."""
    return np.frexp(values)[1].astype(np.int64) - 1


_ULAW_CODES, _ULAW_SAMPLES = _ulaw_codes(), _ulaw_samples()
_ALAW_CODES, _ALAW_SAMPLES = _alaw_codes(), _alaw_samples()
