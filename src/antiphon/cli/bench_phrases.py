"""``antiphon bench phrases``: answers of one to three words, by short windows and by Whisper's window of 30 s."""

from __future__ import annotations

import asyncio
import time
import unicodedata
from collections.abc import AsyncIterator, Iterator, Sequence
from statistics import median

import msgspec
import numpy as np
from rich.table import Table

from antiphon.app.engines import engine_context
from antiphon.app.settings import Settings, load_settings
from antiphon.audio.resample import resample
from antiphon.cli.bench_recordings import samples_of
from antiphon.cli.bench_wer import heard_by, short_windows
from antiphon.cli.screen import ERR, OUT, print_json
from antiphon.errors import AntiphonError
from antiphon.ports.tts import SpeakOptions
from antiphon.ports.vad import RATE_HZ
from antiphon.providers.registry import load
from antiphon.providers.whisper.passages import PassageTranscriber
from antiphon.providers.whisper.voice import Samples
from antiphon.providers.whisper.window import is_doubled
from antiphon.text.wer import WordErrors, total, word_errors

PHRASES = (
    "Yes. No. Next. Okay. Stop. Sure. Help. Monday. Correct. Repeat. Seven. Operator. Cancel. Hello. Louder. Goodbye."
    " Tomorrow. Really? Maybe later. Not now. Go back. Of course. Thank you. That's right. Good morning. Call me."
    " Say again. Two please. On Friday. No thanks. Yes please. Main menu. Never mind. My account. What time?"
    " Twenty five. I don't know. In the morning. Wait a minute. Turn it off."
)
VOICES = (("hibari", ""), ("espeak", "en-us"), ("espeak", "en-gb-scotland"))
_SILENCE = np.zeros(int(0.3 * RATE_HZ), np.float32)


class PhraseRow(msgspec.Struct, frozen=True):
    """One voice, over all phrases, bare and between silences of 0.3 s. Times are medians."""

    voice: str
    clips: int
    doubled: int
    """Transcripts of short windows that repeat the phrase."""
    other_script: int
    """Transcripts of short windows with non-Latin letters."""
    short_wer: float
    padded_wer: float
    short_s: float
    padded_s: float


def run(json_out: bool) -> Sequence[PhraseRow]:
    """Measure with every available voice, without a language hint, and print.

    Raises `WeightsMissing` without Whisper.
    """
    rows = asyncio.run(measure(phrases(), load_settings()))
    if json_out:
        print_json(rows)
    else:
        OUT.print(_table(rows))
    return rows


def phrases() -> list[str]:
    """Return the phrases, each with a full stop."""
    return [f"{phrase.strip()}." for phrase in PHRASES.replace("?", ".").split(".") if phrase.strip()]


async def measure(texts: Sequence[str], settings: Settings) -> list[PhraseRow]:
    """Return a row for each voice; one whose engine does not start is skipped with a message."""
    transcriber = short_windows(settings)
    rows: list[PhraseRow] = []
    for name, voice in VOICES:
        ERR.print(f"{name} {voice}")
        try:
            clips = [(text, clip) async for text, clip in _spoken(name, voice, texts, settings)]
        except AntiphonError as exc:
            ERR.print(f"{name} skipped: {exc}")
            continue
        rows.append(_measure(f"{name} {voice}".strip(), transcriber, clips))
    return rows


async def _spoken(
    name: str, voice: str, texts: Sequence[str], settings: Settings
) -> AsyncIterator[tuple[str, Samples]]:
    engine = load("tts", (name,), engine_context(settings))
    await engine.start()
    try:
        for text in texts:
            chunks = [chunk.pcm async for chunk in engine.synthesize(text, SpeakOptions(voice, language="en"))]
            pieces = [resample(pcm.data, pcm.rate_hz, RATE_HZ) for pcm in chunks]
            clip = samples_of(b"".join(pieces))
            yield text, clip
            yield text, np.concatenate([_SILENCE, clip, _SILENCE])
    finally:
        await engine.close()


def _measure(voice: str, transcriber: PassageTranscriber, clips: Sequence[tuple[str, Samples]]) -> PhraseRow:
    errors: tuple[list[WordErrors], list[WordErrors]] = ([], [])
    times: tuple[list[float], list[float]] = ([], [])
    doubled = other_script = 0
    for said, samples in clips:
        for path, transcribe in enumerate((heard_by, PassageTranscriber.padded)):
            started = time.perf_counter()
            text = transcribe(transcriber, samples, "")
            times[path].append(time.perf_counter() - started)
            errors[path].append(word_errors(said, text))
            if transcribe is heard_by:
                doubled += is_doubled(text)
                other_script += any(not _is_latin(letter) for letter in _letters(text))
    short, padded = (total(counted).rate for counted in errors)
    short_s, padded_s = (round(median(took), 3) for took in times)
    return PhraseRow(voice, len(clips), doubled, other_script, round(short, 4), round(padded, 4), short_s, padded_s)


def _letters(text: str) -> Iterator[str]:
    return (letter for letter in text if letter.isalpha())


def _is_latin(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith("LATIN")


def _table(rows: Sequence[PhraseRow]) -> Table:
    table = Table("voice", "clips", "doubled", "other script", "WER / padded", "s / padded", "faster")
    for row in rows:
        counts = (str(row.clips), str(row.doubled), str(row.other_script))
        rates = f"{row.short_wer:.1%} / {row.padded_wer:.1%}"
        times = (f"{row.short_s:.2f} / {row.padded_s:.2f}", f"{row.padded_s / row.short_s:.1f}x")
        table.add_row(row.voice, *counts, rates, *times)
    return table
