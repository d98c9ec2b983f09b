"""``antiphon bench switch``: recordings whose language changes, by short windows and by Whisper's window of 30 s."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
from rich.table import Table

from antiphon.app.settings import Settings, load_settings
from antiphon.audio.windows import WINDOW_SAMPLES
from antiphon.cli.bench_recordings import manifest, pcm_of, samples_of
from antiphon.cli.bench_wer import short_windows
from antiphon.cli.screen import ERR, OUT, print_json
from antiphon.entities.speech import Segment
from antiphon.ports.stt import TranscribeOptions
from antiphon.ports.vad import RATE_HZ
from antiphon.providers.whisper.model import PADDED_S
from antiphon.providers.whisper.passages import PassageTranscriber, SpokenPassage
from antiphon.providers.whisper.voice import Samples
from antiphon.text.wer import normalise

MANIFEST = "switch.toml"
VOICED = 0.5
"""Speech probability above which a window is speech."""
_LONGEST_WORD_S = 1.0
_WINDOW_S = WINDOW_SAMPLES / RATE_HZ
_PAUSE = np.zeros(RATE_HZ, np.float32)


class SwitchPart(msgspec.Struct, frozen=True):
    """The text in one language."""

    language: str
    text: str


class SwitchRecording(msgspec.Struct, frozen=True):
    """Files that are joined with pauses of a second."""

    files: tuple[str, ...]
    parts: tuple[SwitchPart, ...]


class SwitchManifest(msgspec.Struct, frozen=True):
    """The manifest file."""

    recordings: tuple[SwitchRecording, ...]


class Found(msgspec.Struct, frozen=True):
    """Words of one language: spoken, and found in order in each transcript."""

    language: str
    said: int
    short: int
    padded: int
    short_written: int
    """All words, right or wrong, of the passages detected as this language."""
    padded_written: int


class SwitchRow(msgspec.Struct, frozen=True):
    """One recording."""

    name: str
    speech_s: float
    """Speech according to the voice detector."""
    hole_s: float
    """Longest speech between two consecutive words, by short windows."""
    unrecognised: float
    """Share of the speech reported as not recognised."""
    short_s: float
    padded_s: float
    words: tuple[Found, ...]
    text: str


def run(folder: Path, json_out: bool) -> Sequence[SwitchRow]:
    """Transcribe the recordings of a folder's ``switch.toml`` without a language hint, and print.

    Raises `NotFound` without a manifest or a recording, and `WeightsMissing` without Whisper.
    """
    rows = measure(folder, load_settings())
    if json_out:
        print_json(rows)
    else:
        OUT.print(_table(rows))
        for row in rows:
            OUT.print(f"{row.name}: {row.text}")
            for one in row.words:
                found = f"{one.short} words of {one.said} found, {one.padded} padded"
                OUT.print(f"{one.language}: {found}; {one.short_written} written, {one.padded_written} padded")
    return rows


def measure(folder: Path, settings: Settings) -> list[SwitchRow]:
    """Return a row for each recording of a folder."""
    told = manifest(folder, MANIFEST, SwitchManifest).recordings
    transcriber = short_windows(settings)
    rows: list[SwitchRow] = []
    for number, recording in enumerate(told, 1):
        ERR.print(f"{number}/{len(told)} {', '.join(recording.files)}")
        rows.append(_measure(transcriber, recording, joined(folder, recording.files)))
    return rows


def joined(folder: Path, files: Sequence[str]) -> Samples:
    """Return recordings one after the other, a second of silence between them."""
    parts = [part for name in files for part in (samples_of(pcm_of(folder / name)), _PAUSE)]
    return np.concatenate(parts[:-1])


def _measure(transcriber: PassageTranscriber, recording: SwitchRecording, samples: Samples) -> SwitchRow:
    started = time.perf_counter()
    passages = list(transcriber.passages(samples, TranscribeOptions(), lambda: False))
    short_s = time.perf_counter() - started
    timed = transcriber.passages(samples, TranscribeOptions(word_timestamps=True), lambda: False)
    words = [(word.start_s, word.end_s) for passage in timed for one in passage.segments for word in one.words]
    started = time.perf_counter()
    padded = list(_padded(transcriber, samples))
    padded_s = time.perf_counter() - started
    voice = transcriber.voice(samples)
    segments = [segment for passage in passages for segment in passage.segments]
    return SwitchRow(
        name=" + ".join(recording.files),
        speech_s=round(speech_s(voice, 0.0, len(samples) / RATE_HZ), 2),
        hole_s=round(longest_hole_s(words, voice), 2),
        unrecognised=round(unrecognised(segments, voice), 4),
        short_s=round(short_s, 2),
        padded_s=round(padded_s, 2),
        words=tuple(_found(part, passages, padded) for part in recording.parts),
        text=_text(passages),
    )


def _padded(transcriber: PassageTranscriber, samples: Samples) -> Iterator[SpokenPassage]:
    """Decode windows of 30 s, one after the other."""
    size = int(PADDED_S * RATE_HZ)
    for start in range(0, len(samples), size):
        heard = transcriber.in_full_window(samples[start : start + size], "")
        yield SpokenPassage(heard.language, (Segment(heard.text, start / RATE_HZ, (start + size) / RATE_HZ),))


def speech_s(voice: Sequence[float], start_s: float, end_s: float) -> float:
    """Return the seconds of speech within a time range."""
    return sum(odds >= VOICED for odds in voice[round(start_s / _WINDOW_S) : round(end_s / _WINDOW_S)]) * _WINDOW_S


def longest_hole_s(words: Sequence[tuple[float, float]], voice: Sequence[float]) -> float:
    """Return the longest speech before, between or after the words."""
    end_s = len(voice) * _WINDOW_S
    # where speech is missing, the alignment stretches the adjacent words
    starts = [*(start for start, _ in words), end_s]
    ends = [0.0, *(min(end, start + _LONGEST_WORD_S) for start, end in words)]
    return max(speech_s(voice, end, start) for end, start in zip(ends, starts, strict=True))


def unrecognised(segments: Sequence[Segment], voice: Sequence[float]) -> float:
    """Return the share of the speech in segments without text."""
    lost = sum(speech_s(voice, one.start_s, one.end_s) for one in segments if not one.text)
    return lost / max(speech_s(voice, 0.0, len(voice) * _WINDOW_S), _WINDOW_S)


def words_found(said: Sequence[str], heard: Sequence[str]) -> int:
    """Return how many words of ``said`` occur in ``heard``, in this order."""
    best = [0] * (len(heard) + 1)
    for word in said:
        before = best
        best = [0]
        for place, other in enumerate(heard):
            best.append(before[place] + 1 if other == word else max(before[place + 1], best[place]))
    return best[-1]


def _found(part: SwitchPart, short: Sequence[SpokenPassage], padded: Sequence[SpokenPassage]) -> Found:
    said = normalise(part.text)
    found = [words_found(said, normalise(_text(passages))) for passages in (short, padded)]
    of_language = ([one for one in passages if one.language == part.language] for passages in (short, padded))
    written = [len(normalise(_text(passages))) for passages in of_language]
    return Found(part.language, len(said), *found, *written)


def _text(passages: Sequence[SpokenPassage]) -> str:
    return " ".join(one.text for passage in passages for one in passage.segments if one.text)


def _table(rows: Sequence[SwitchRow]) -> Table:
    table = Table("recording", "speech s", "hole s", "not recognised", "s / padded")
    for row in rows:
        figures = (f"{row.speech_s:.1f}", f"{row.hole_s:.2f}", f"{row.unrecognised:.1%}")
        table.add_row(row.name, *figures, f"{row.short_s:.1f} / {row.padded_s:.1f}")
    return table
