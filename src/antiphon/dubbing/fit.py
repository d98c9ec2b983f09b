"""Fits speech into the duration of the original: trims, stretches and pads it, and rates the result."""

from __future__ import annotations

import unicodedata
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

import numpy as np

from antiphon.audio.stretch import stretch_to
from antiphon.errors import InvalidRequest

SKIP_BELOW = 0.01
"""Least deviation from a ratio of 1.0 that is corrected: below it, stretching is more audible than the deviation."""

_US_PER_MS = 1000
_KEPT_MS = 30
"""Silence kept before the first and after the last sound: breath and plosive ends are quieter than speech."""
_QUIET = 10 ** (-50 / 20)
"""Threshold of silence, relative to the loudest 10 ms."""
_NOTHING = 2.0
"""Absolute threshold of silence: root mean square of 16-bit samples."""

_MS_PER_UNIT = 62.0
"""Least squares over espeak-ng (en, es, pt, de, fr, zh) and hibari (en), 30 texts; range 50 to 80, except for
hibari's "Yes."."""
_UNITS_PER_DIGIT = 4.0
_UNITS_PER_WIDE = 3.6
_UNITS_PER_PAUSE = 3.6
_UNITS_PER_TEXT = 2.0
"""A text's last sound is long. These four come from the measurement of `_MS_PER_UNIT`."""
_PAUSES = frozenset(",.;:!?…—،؛؟،。、，！？；：।")
_ENDS = "".join(_PAUSES) + " "
_WIDE = frozenset({"W", "F"})
_NEWS = 0.3
"""Weight of a voice's newest measurement: older ones lose half their weight within two fragments."""
_LEAST_UNITS = 8.0
"""Shorter texts, such as "yes", do not measure a voice's pace."""
_MOST_VOICES = 256


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of stretching, and of deviations from the original's length. Raises `InvalidRequest` naming the field."""

    success_max: float
    """Largest relative deviation from the original's length that is a success."""
    partial_max: float
    """Largest relative deviation that is a partial success; longer speech fails."""
    only_speed_up: bool
    """True pads short speech with silence instead of slowing it down."""
    slowest: float = 0.5
    fastest: float = 2.0
    """Range of speeds by stretching."""
    voice_fastest: float = 1.3
    """Highest speed requested from an engine. Whisper's errors in 67 words of espeak-ng's Spanish: 14 at speed 1.0; at
    1.3, 16 when spoken and 33 when stretched; at 1.5, 44 and 45."""

    def __post_init__(self) -> None:
        if not 0 <= self.success_max < self.partial_max:
            message = f"success_max {self.success_max:g} must be at least 0 and less than partial_max"
            raise InvalidRequest(f"{message} {self.partial_max:g}", param="success_max")
        if not self.partial_max <= 1:
            raise InvalidRequest(f"partial_max {self.partial_max:g} must be at most 1", param="partial_max")
        if not 0 < self.slowest <= 1:
            raise InvalidRequest(f"slowest {self.slowest:g} must be more than 0 and at most 1", param="slowest")
        for name, value in (("fastest", self.fastest), ("voice_fastest", self.voice_fastest)):
            if not value >= 1:
                raise InvalidRequest(f"{name} {value:g} must be at least 1", param=name)


@dataclass(frozen=True, slots=True)
class Plan:
    """The speed of stretching."""

    speed: float
    """1.0 is unchanged; 2.0 halves the duration."""
    clamped: bool
    """True if the limits do not allow the speed that would fit."""


class DurationStatus(StrEnum):
    """How well the speech fits the original's length."""

    SUCCESS = "success"
    PARTIAL = "partial"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class DurationResult:
    """A status and the deviation that it follows from."""

    status: DurationStatus
    variance_percent: float


@dataclass(frozen=True, slots=True)
class DurationMetadata:
    """The lengths of a fragment before and after fitting."""

    original_duration_ms: int
    raw_duration_ms: int
    """Length of the synthesised speech without surrounding silence."""
    final_duration_ms: int
    duration_variance_percent: float
    speed_ratio: float
    speed_clamped: bool


@dataclass(frozen=True, slots=True)
class Fitted:
    """Speech of the original's length, or as close to it as the limits allow."""

    mono: bytes
    """s16le, at its original rate."""
    duration_ms: float
    metadata: DurationMetadata


def plan(raw_ms: float, target_ms: float, limits: Limits) -> Plan:
    """Return the speed that fits ``raw_ms`` of speech into ``target_ms``; 1.0 if either is 0."""
    if raw_ms <= 0 or target_ms <= 0:
        return Plan(1.0, clamped=False)
    ratio = raw_ms / target_ms
    if abs(ratio - 1) < SKIP_BELOW or (limits.only_speed_up and ratio < 1):
        return Plan(1.0, clamped=False)
    speed = min(max(ratio, limits.slowest), limits.fastest)
    return Plan(speed, clamped=speed != ratio)


def judge(original_ms: float, final_ms: float, limits: Limits) -> DurationResult:
    """Compare lengths, to the microsecond: a deviation of exactly ``success_max`` or ``partial_max`` is within it.

    If the original has no length, any speech deviates by 100 %.
    """
    original_us, final_us = round(original_ms * _US_PER_MS), round(final_ms * _US_PER_MS)
    if original_us <= 0:
        variance = Fraction(0 if final_us <= 0 else 1)
    else:
        variance = Fraction(abs(final_us - original_us), original_us)
    return DurationResult(_status(variance, limits), float(variance * 100))


def fit(mono: bytes, rate_hz: int, target_ms: float, limits: Limits) -> Fitted:
    """Fit mono s16le speech into ``target_ms``: trim the surrounding silence, stretch the speech, pad it with silence.

    Within the limits the result has exactly the samples of ``target_ms``, or up to 1 % more if it was not stretched.
    Speech that is still too long is never cut off.
    """
    speech = trim(mono, rate_hz)
    wanted = round(target_ms * rate_hz / 1000)
    planned = plan(_ms(speech, rate_hz), wanted * 1000 / rate_hz, limits)
    final = _stretched(speech, rate_hz, wanted, planned)
    final += bytes(2 * max(0, wanted - len(final) // 2))
    final_ms = _ms(final, rate_hz)
    metadata = DurationMetadata(
        original_duration_ms=round(target_ms),
        raw_duration_ms=round(_ms(speech, rate_hz)),
        final_duration_ms=round(final_ms),
        duration_variance_percent=judge(target_ms, final_ms, limits).variance_percent,
        speed_ratio=planned.speed,
        speed_clamped=planned.clamped,
    )
    return Fitted(final, final_ms, metadata)


def trim(mono: bytes, rate_hz: int) -> bytes:
    """Trim mono s16le speech to 30 ms of surrounding silence; return no bytes if all is silent.

    hibari adds 170 to 330 ms before and 180 to 500 ms after speech, espeak-ng up to 30 ms before.
    """
    samples = np.frombuffer(mono, "<i2").astype(np.float32)
    block = max(1, rate_hz // 100)
    blocks = np.pad(samples, (0, -len(samples) % block)).reshape(-1, block)
    loudness = np.sqrt((blocks * blocks).mean(axis=1))
    loud = np.flatnonzero(loudness > max(_NOTHING, loudness.max(initial=0.0) * _QUIET))
    if not len(loud):
        return b""
    kept = rate_hz * _KEPT_MS // 1000
    start, end = max(0, int(loud[0]) * block - kept), (int(loud[-1]) + 1) * block + kept
    return mono[2 * start : 2 * end]


class Tempo:
    """Learns how long voices take for text, to request a higher speed from the engine for text that would be too long.

    Fast synthesis sounds better than stretching: see `Limits.voice_fastest`. Keeps the 256 voices used last.
    """

    def __init__(self, limits: Limits) -> None:
        self._fastest = limits.voice_fastest
        self._ms_per_unit: OrderedDict[str, float] = OrderedDict()

    def speed_for(self, voice_key: str, text: str, target_ms: float) -> float:
        """Return the speed, 1.0 to ``voice_fastest``, at which a voice should take ``target_ms`` for ``text``."""
        if target_ms <= 0:
            return 1.0
        expected_ms = _units(text) * self._ms_per_unit.get(voice_key, _MS_PER_UNIT)
        return min(max(expected_ms / target_ms, 1.0), self._fastest)

    def learn(self, voice_key: str, text: str, speed: float, raw_ms: float) -> None:
        """Record that a voice took ``raw_ms``, without surrounding silence, for ``text`` at ``speed``."""
        units = _units(text)
        if units < _LEAST_UNITS or raw_ms <= 0:
            return
        before = self._ms_per_unit.pop(voice_key, _MS_PER_UNIT)
        self._ms_per_unit[voice_key] = before + _NEWS * (raw_ms * speed / units - before)
        if len(self._ms_per_unit) > _MOST_VOICES:
            self._ms_per_unit.popitem(last=False)


def _stretched(speech: bytes, rate_hz: int, wanted: int, planned: Plan) -> bytes:
    if planned.speed == 1.0:
        return speech
    samples = round(len(speech) / 2 / planned.speed) if planned.clamped else wanted
    return stretch_to(speech, rate_hz, samples)


def _status(variance: Fraction, limits: Limits) -> DurationStatus:
    # compare decimal values: as a float 0.15 is less than 15 %
    if variance <= Fraction(str(limits.success_max)):
        return DurationStatus.SUCCESS
    return DurationStatus.PARTIAL if variance <= Fraction(str(limits.partial_max)) else DurationStatus.FAILED


def _ms(mono: bytes, rate_hz: int) -> float:
    return len(mono) // 2 * 1000 / rate_hz


def _units(text: str) -> float:
    """Return the spoken length of a text, in letters of an alphabet, without a pause after its last word."""
    said = text.rstrip(_ENDS)
    return _UNITS_PER_TEXT + sum(map(_unit, said, said[1:] + " "))


def _unit(sign: str, following: str) -> float:
    if sign.isdigit():
        return _UNITS_PER_DIGIT
    if sign in _PAUSES:
        return 0.0 if following.isalnum() and sign.isascii() else _UNITS_PER_PAUSE
    if sign.isalpha():
        return _UNITS_PER_WIDE if unicodedata.east_asian_width(sign) in _WIDE else 1.0
    return 0.0
