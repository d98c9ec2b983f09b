"""``antiphon bench wer``: word error rate and speed of short windows against Whisper's 30 s window."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import msgspec
from rich.table import Table

from antiphon.app.settings import Settings, load_settings
from antiphon.cli.bench_recordings import BenchRecording, pcm_of, recordings, samples_of
from antiphon.cli.screen import ERR, OUT, print_json
from antiphon.ports.stt import TranscribeOptions
from antiphon.providers.weights.files import Weights
from antiphon.providers.whisper.model import WhisperNetwork
from antiphon.providers.whisper.passages import PassageTranscriber
from antiphon.providers.whisper.settings import WhisperSettings
from antiphon.providers.whisper.voice import Samples
from antiphon.text.wer import WordErrors, total, word_errors


class Heard(msgspec.Struct, frozen=True):
    """Result of one path for one recording."""

    text: str
    errors: int
    words: int
    duration_s: float
    """Time taken."""


class WerRow(msgspec.Struct, frozen=True):
    """One recording by both paths."""

    file: str
    short: Heard
    padded: Heard


class Result(msgspec.Struct, frozen=True):
    """The whole comparison. Times are medians over the recordings with speech."""

    rows: tuple[WerRow, ...]
    short_wer: float
    padded_wer: float
    short_s: float
    padded_s: float
    times_faster: float
    noise_is_empty: bool
    """True if the short path transcribed nothing in recordings without speech."""


def run(folder: Path, json_out: bool) -> Result:
    """Transcribe the recordings of ``folder``, listed in its ``recordings.toml``, by both paths, and print.

    Raises `NotFound` without a manifest and `WeightsMissing` without Whisper.
    """
    result = measure(folder, load_settings())
    if json_out:
        print_json(result)
    else:
        _print(result)
    return result


def measure(folder: Path, settings: Settings) -> Result:
    """Compare both paths, with one thread, greedily on the short path and with a beam of 5 on the padded one."""
    told = recordings(folder)
    transcriber = short_windows(settings)
    first = samples_of(pcm_of(folder / told[0].file))
    heard_by(transcriber, first, told[0].language)  # the first call is slow
    rows: list[WerRow] = []
    for number, recording in enumerate(told, 1):
        ERR.print(f"{number}/{len(told)} {recording.file}")
        rows.append(_compare(transcriber, recording, samples_of(pcm_of(folder / recording.file))))
    return _sum_up(rows)


def short_windows(settings: Settings) -> PassageTranscriber:
    """Return Whisper as the server would use it. Raises `WeightsMissing`."""
    whisper = settings.section(WhisperSettings)
    weights = whisper.whisper_path or Weights(settings.data_dir, offline=settings.offline).folder("whisper-base")
    network = WhisperNetwork(
        weights, threads=settings.engine_threads, workers=1, usual_language=whisper.whisper_usual_language
    )
    return PassageTranscriber(network, padding_s=whisper.whisper_padding_s)


def heard_by(transcriber: PassageTranscriber, samples: Samples, language: str) -> str:
    """Return the text of a clip by short windows; an empty language is detected."""
    passages = transcriber.passages(samples, TranscribeOptions(language), lambda: False)
    return " ".join(segment.text for passage in passages for segment in passage.segments if segment.text)


def _compare(transcriber: PassageTranscriber, recording: BenchRecording, samples: Samples) -> WerRow:
    short = _timed(recording, lambda: heard_by(transcriber, samples, recording.language))
    padded = _timed(recording, lambda: transcriber.padded(samples, recording.language))
    return WerRow(recording.file, short, padded)


def _timed(recording: BenchRecording, transcribe: Callable[[], str]) -> Heard:
    started = time.perf_counter()
    text = transcribe()
    duration_s = time.perf_counter() - started
    counted = word_errors(recording.text, text)
    return Heard(text, counted.errors, counted.words, round(duration_s, 3))


def _sum_up(rows: list[WerRow]) -> Result:
    speech = [row for row in rows if row.short.words]
    short_s = median(row.short.duration_s for row in speech)
    padded_s = median(row.padded.duration_s for row in speech)
    return Result(
        rows=tuple(rows),
        short_wer=_rate([row.short for row in speech]),
        padded_wer=_rate([row.padded for row in speech]),
        short_s=short_s,
        padded_s=padded_s,
        times_faster=round(padded_s / short_s, 2),
        noise_is_empty=all(not row.short.text for row in rows if not row.short.words),
    )


def _rate(heard: list[Heard]) -> float:
    return round(total(WordErrors(one.errors, one.words) for one in heard).rate, 4)


def _print(result: Result) -> None:
    table = Table("recording", "errors / padded", "words", "short s", "padded s", "faster")
    for row in result.rows:
        faster = f"{row.padded.duration_s / row.short.duration_s:.1f}x"
        errors = f"{row.short.errors} / {row.padded.errors}"
        times = (f"{row.short.duration_s:.2f}", f"{row.padded.duration_s:.2f}")
        table.add_row(row.file, errors, str(row.short.words), *times, faster)
    OUT.print(table)
    for row in result.rows:
        if row.short.errors:
            OUT.print(f"{row.file}: {row.short.text}")
    OUT.print(f"word error rate: {result.short_wer:.1%} by short windows, {result.padded_wer:.1%} padded to 30 s")
    OUT.print(f"median: {result.short_s:.2f} s and {result.padded_s:.2f} s, {result.times_faster:.1f} times faster")
    OUT.print(f"noise is {'silent, as it should be' if result.noise_is_empty else 'heard as text'}")
