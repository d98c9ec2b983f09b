"""Recorded speech made slower and quicker: its length, its pitch, its words, and the time that takes.

The floor is the same sound played slower or quicker (resampled to the same length), which shifts the pitch; of words
those that Whisper mishears at the pace as recorded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from antiphon.app.settings import load_settings
from antiphon.audio.resample import resample
from antiphon.audio.stretch import stretch
from antiphon.audio.wav import read_wav
from antiphon.audio.windows import FULL_SCALE
from antiphon.cli import bench_recordings
from antiphon.ports.stt import TranscribeOptions
from antiphon.providers.weights.files import Weights
from antiphon.providers.whisper.model import WhisperNetwork
from antiphon.providers.whisper.passages import PassageTranscriber
from antiphon.providers.whisper.settings import WhisperSettings
from antiphon.text.wer import total, word_errors
from benchmarks.figures import ROUNDS, Figure, tell
from tests.pitch import moved_percent

AUDIO = Path(__file__).resolve().parent.parent / "tests" / "audio"
SPEEDS = (0.5, 0.75, 1.25, 1.5, 2.0)
HEARD_SPEEDS = (0.75, 1.25, 1.5, 2.0)
RATE_HZ = 24_000
"""What voices speak with."""
HEARD_HZ = 16_000
"""What Whisper listens to."""
FLOOR_IS = "resampled to the same length"

Change = Callable[[bytes, float], bytes]


@dataclass(frozen=True, slots=True)
class Recording:
    """Mono s16le at `RATE_HZ`, and what is said."""

    sound: bytes
    text: str
    language: str


def run(short: bool) -> list[Figure]:
    """Measure on the recordings of the tests, in short form on three of them."""
    spoken = recordings()[: 3 if short else None]
    figures: list[Figure] = []
    for speed in SPEEDS:
        longest = max(abs(len(_stretched(one.sound, speed)) * speed / len(one.sound) - 1) * 100 for one in spoken)
        figures += [
            Figure("fit", f"length missed at {speed:g} times the pace", longest, "%", 1.0),
            _beside(f"pitch moved at {speed:g} times the pace", spoken, speed, _moved, "%", 2.0),
            _beside(f"a second of speech to {speed:g} times the pace", spoken, speed, _cost_ms, "ms", 10.0),
        ]
    return figures + _misheard(spoken)


def recordings() -> list[Recording]:
    """Return the recordings in which somebody speaks."""
    found: list[Recording] = []
    for one in filter(lambda one: one.text, bench_recordings.recordings(AUDIO)):
        wav = read_wav((AUDIO / one.file).read_bytes())
        found.append(Recording(resample(wav.data, wav.rate_hz, RATE_HZ), one.text, one.language))
    return found


def _stretched(sound: bytes, speed: float) -> bytes:
    return stretch(sound, RATE_HZ, speed)


def _resampled(sound: bytes, speed: float) -> bytes:
    return resample(sound, round(RATE_HZ * speed), RATE_HZ)


def _beside(
    what: str,
    spoken: Sequence[Recording],
    speed: float,
    measure: Callable[[Sequence[Recording], float, Change], float],
    unit: str,
    limit: float,
) -> Figure:
    ours, floor = (measure(spoken, speed, change) for change in (_stretched, _resampled))
    return Figure("fit", what, ours, unit, limit, floor, FLOOR_IS)


def _cost_ms(spoken: Sequence[Recording], speed: float, change: Change) -> float:
    rounds: list[float] = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for one in spoken:
            change(one.sound, speed)
        rounds.append(time.perf_counter() - began)
    return min(rounds) * 1000 / sum(len(one.sound) / 2 / RATE_HZ for one in spoken)


def _moved(spoken: Sequence[Recording], speed: float, change: Change) -> float:
    """Return the median over recordings of how far the pitch of their frames moved, in per cent."""
    return median(moved_percent(one.sound, change(one.sound, speed), RATE_HZ) for one in spoken)


def _misheard(spoken: Sequence[Recording]) -> list[Figure]:
    settings = load_settings()
    whisper = settings.section(WhisperSettings)
    weights = whisper.whisper_path or Weights(settings.data_dir, offline=settings.offline).folder("whisper-base")
    network = WhisperNetwork(weights, threads=settings.engine_threads, workers=1)
    transcriber = PassageTranscriber(network, padding_s=whisper.whisper_padding_s)
    as_recorded = _error_percent(transcriber, spoken, 1.0)
    return [
        Figure(
            "fit",
            f"words misheard at {speed:g} times the pace",
            _error_percent(transcriber, spoken, speed),
            "%",
            10.0,
            as_recorded,
            "as recorded",
        )
        for speed in HEARD_SPEEDS
    ]


def _error_percent(transcriber: PassageTranscriber, spoken: Sequence[Recording], speed: float) -> float:
    return 100 * total(word_errors(one.text, _heard(transcriber, one, speed)) for one in spoken).rate


def _heard(transcriber: PassageTranscriber, one: Recording, speed: float) -> str:
    pcm = resample(_stretched(one.sound, speed), RATE_HZ, HEARD_HZ)
    samples = np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(FULL_SCALE)
    passages = transcriber.passages(samples, TranscribeOptions(one.language), lambda: False)
    return " ".join(segment.text for passage in passages for segment in passage.segments)


if __name__ == "__main__":
    tell(run)
