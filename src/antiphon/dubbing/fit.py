"""Speech into the time of the original: how much quicker it is said, what is padded, and how well that came out."""

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
"""A ratio so near to 1.0 is left alone: nobody hears the difference, everybody a stretch."""

_US_PER_MS = 1000
_KEPT_MS = 30
"""Silence left before the first and behind the last sound: breath and the end of a plosive are quieter than speech."""
_QUIET = 10 ** (-50 / 20)
"""What is quieter than this beside the loudest 10 ms is silence."""
_NOTHING = 2.0
"""Root mean square of 16-bit samples up to which there is no speech at all."""

_MS_PER_UNIT = 62.0
"""Least squares over espeak-ng (en, es, pt, de, fr, zh) and hibari (en), 30 texts: they lie between 50 and 80, but for
hibari's "Yes."."""
_UNITS_PER_DIGIT = 4.0
_UNITS_PER_WIDE = 3.6
_UNITS_PER_PAUSE = 3.6
_UNITS_PER_TEXT = 2.0
"""A text's last sound is long. These four from the same measurement as `_MS_PER_UNIT`."""
_PAUSES = frozenset(",.;:!?…—،؛؟،。、，！？；：।")
_ENDS = "".join(_PAUSES) + " "
_WIDE = frozenset({"W", "F"})
_NEWS = 0.3
"""Weight of the newest measurement of a voice: it forgets half within two fragments."""
_LEAST_UNITS = 8.0
"""Shorter texts, such as "yes", tell nothing of a voice's pace."""
_MOST_VOICES = 256


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be done to speech, and when the result is good enough. Raises `InvalidRequest` naming the field."""

    success_max: float
    """Largest deviation of the length from the original's, as a share of it, that is a success."""
    partial_max: float
    """Largest deviation that is still played."""
    only_speed_up: bool
    """Short speech is never slowed down: silence follows it."""
    slowest: float = 0.5
    fastest: float = 2.0
    """Least and most that speech is sped up by stretching."""
    voice_fastest: float = 1.3
    """Most that a voice is told to speak quicker by itself. Of espeak-ng's Spanish Whisper misheard 14 of 67 words at
    its own pace; 16 when told 1.3 and 33 when stretched to it, but 44 and 45 at 1.5."""

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
    """How speech is fitted."""

    speed: float
    """1.0 leaves it as it is; 2.0 takes half the time."""
    clamped: bool
    """True when more (or, where slowing down is allowed, less) was wanted than the limits give."""


class DurationStatus(StrEnum):
    """How well a fragment's length was met."""

    SUCCESS = "success"
    PARTIAL = "partial"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class DurationResult:
    """A status and the number that it follows from."""

    status: DurationStatus
    variance_percent: float


@dataclass(frozen=True, slots=True)
class DurationMetadata:
    """What was done to the length of a fragment."""

    original_duration_ms: int
    raw_duration_ms: int
    """Of the speech as the voice said it, without the silence around it."""
    final_duration_ms: int
    duration_variance_percent: float
    speed_ratio: float
    speed_clamped: bool


@dataclass(frozen=True, slots=True)
class Fitted:
    """Speech that lasts as long as the original, or as near to it as the limits allow."""

    mono: bytes
    """s16le, at the rate it came with."""
    duration_ms: float
    metadata: DurationMetadata


def plan(raw_ms: float, target_ms: float, limits: Limits) -> Plan:
    """Decide how much quicker ``raw_ms`` of speech are said for ``target_ms``; not at all where one of them is 0."""
    if raw_ms <= 0 or target_ms <= 0:
        return Plan(1.0, clamped=False)
    ratio = raw_ms / target_ms
    if abs(ratio - 1) < SKIP_BELOW or (limits.only_speed_up and ratio < 1):
        return Plan(1.0, clamped=False)
    speed = min(max(ratio, limits.slowest), limits.fastest)
    return Plan(speed, clamped=speed != ratio)


def judge(original_ms: float, final_ms: float, limits: Limits) -> DurationResult:
    """Compare lengths, to the microsecond: a deviation of exactly ``success_max`` or ``partial_max`` is within it.

    An original of no length is met by nothing at all; everything else fails it, by 100 %.
    """
    original_us, final_us = round(original_ms * _US_PER_MS), round(final_ms * _US_PER_MS)
    if original_us <= 0:
        variance = Fraction(0 if final_us <= 0 else 1)
    else:
        variance = Fraction(abs(final_us - original_us), original_us)
    return DurationResult(_status(variance, limits), float(variance * 100))


def fit(mono: bytes, rate_hz: int, target_ms: float, limits: Limits) -> Fitted:
    """Make mono s16le speech last ``target_ms``: cut off the silence around it, stretch it, put silence behind it.

    Where the limits suffice the result has exactly the samples of ``target_ms``; with a ratio that is left alone up
    to 1 % more. Speech that is still too long is never cut off: it stays longer.
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
    """Return mono s16le speech without the silence around it but for 30 ms; nothing where all is silent.

    hibari puts 170 to 330 ms before and 180 to 500 ms behind what it says, espeak-ng up to 30 ms before.
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
    """Learns how long voices take for text, so that one which would be too long is said quicker from the start.

    Speech said quicker sounds better than speech stretched: see `Limits.voice_fastest`. Keeps the 256 voices used last.
    """

    def __init__(self, limits: Limits) -> None:
        self._fastest = limits.voice_fastest
        self._ms_per_unit: OrderedDict[str, float] = OrderedDict()

    def speed_for(self, voice_key: str, text: str, target_ms: float) -> float:
        """Return the speed, 1.0 to ``voice_fastest``, at which a voice should need ``target_ms`` for ``text``."""
        if target_ms <= 0:
            return 1.0
        expected_ms = _units(text) * self._ms_per_unit.get(voice_key, _MS_PER_UNIT)
        return min(max(expected_ms / target_ms, 1.0), self._fastest)

    def learn(self, voice_key: str, text: str, speed: float, raw_ms: float) -> None:
        """Take note that a voice took ``raw_ms``, without silence around, for ``text`` when told ``speed``."""
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
    # by their decimal form: as a float 0.15 is less than 15 %
    if variance <= Fraction(str(limits.success_max)):
        return DurationStatus.SUCCESS
    return DurationStatus.PARTIAL if variance <= Fraction(str(limits.partial_max)) else DurationStatus.FAILED


def _ms(mono: bytes, rate_hz: int) -> float:
    return len(mono) // 2 * 1000 / rate_hz


def _units(text: str) -> float:
    """Return the length of a text as it is spoken, in letters of an alphabet; no pause follows its last word."""
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
