"""``antiphon bench noise``: turns started by noise, and onset delay of speech, per voice detector."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

import msgspec
import numpy as np
import pybase64
from numpy.typing import NDArray
from rich.table import Table

from antiphon.app.engines import engine_context
from antiphon.app.settings import Settings, load_settings
from antiphon.audio.ticks import TICKS_PER_S, VAD_WINDOW_TICKS
from antiphon.cli.bench_recordings import pcm_of, recordings
from antiphon.cli.screen import ERR, OUT, print_json
from antiphon.conversation import effects, inputs
from antiphon.conversation.machine import Conversation
from antiphon.conversation.session import Defaults, describe
from antiphon.conversation.state import Rules
from antiphon.doors.realtime.intake import Intake
from antiphon.doors.websocket.audio import PCM_HZ
from antiphon.errors import AntiphonError
from antiphon.ports.vad import VoiceActivity
from antiphon.providers.registry import load
from antiphon.wire.realtime_server import InputAudioBufferSpeechStarted, InputAudioBufferSpeechStopped

DETECTORS = ("silero", "energy")
NOISE_S = 60
"""Length to which each noise is repeated."""
MOST_TURNS = 1.0
"""Maximum turns per minute of noise."""
MOST_DELAY_MS = 200.0
"""Maximum onset delay, 95th percentile."""
_FRAME_S = 0.02
_BEFORE_S = 1.0
"""Faint noise before each recording of speech."""
_FAINT = 10 ** (-66 / 20) * 32_768
_GAINS = (0.5, 1.0, 2.0)
_STEP = PCM_HZ // 100
_QUIET = 10 ** (-20 / 20)
"""Speech threshold relative to the level of the loudest tenth."""
_ONSET_STEPS = 3
_TIMEOUT_S = 30.0
_MAX_APPEND_BYTES = 2**20

Sound = NDArray[np.int16]


class NoiseRow(msgspec.Struct, frozen=True):
    """One detector, with the default turn detection of the Realtime endpoint."""

    detector: str
    turns_per_minute: dict[str, float]
    """By the recording of noise."""
    in_turns: dict[str, float]
    """Share of the noise inside turns: room noise may start one that never ends."""
    onsets: int
    """Speech recordings that started a turn, out of `speeches`."""
    speeches: int
    """Recordings of speech at three gains, each after a second of faint noise."""
    delay_p50_ms: float
    """Audio from the first sound of speech to `input_audio_buffer.speech_started`; negative if room noise
    before it started the turn."""
    delay_p95_ms: float
    met: bool
    """True if noise starts at most `MOST_TURNS`, all of which end, and speech is detected in `MOST_DELAY_MS`."""


_RULES = Rules(
    image_hosts=(),
    pace=False,
    truncate_wait_s=0.0,
    speculate_ms=0,
    max_items=sys.maxsize,
    max_buffer_s=math.inf,
    job_timeout_s=0.0,
    apology="",
)


class NoiseListener:
    """A conversation that only listens: the endpoint's intake and the machine, without workers."""

    def __init__(self, vad: VoiceActivity) -> None:
        session = describe(None, Defaults(), now=0.0)
        self.machine = Conversation.begin(session, _RULES, seed="bench", now=0.0, lasts_s=math.inf)
        self.turns: list[list[float]] = []
        """Start and, if it ended, end of each turn, in seconds of sent audio."""
        self._scored = asyncio.Event()
        self._intake = Intake(self.machine, vad, asyncio.Semaphore(), _MAX_APPEND_BYTES, on_score=self._tell)

    async def hear(self, sound: Sound) -> list[list[float]]:
        """Send a sound in frames of 20 ms, each after the last one was scored; return the turns."""
        size = int(PCM_HZ * _FRAME_S)
        try:
            for start in range(0, len(sound), size):
                audio = pybase64.b64encode(sound[start : start + size].tobytes()).decode()
                append = f'{{"type":"input_audio_buffer.append","audio":"{audio}"}}'
                await self._intake.take(append, self._tell)
                async with asyncio.timeout(_TIMEOUT_S):
                    await self._judged()
        finally:
            self._intake.close()
        return self.turns

    async def _judged(self) -> None:
        buffer = self.machine.state.buffer
        while buffer.written - buffer.scored >= VAD_WINDOW_TICKS:
            self._scored.clear()
            await self._scored.wait()

    def _tell(self, event: inputs.AnyInput) -> None:
        written = self.machine.state.buffer.written
        for effect in self.machine.receive(event, written / TICKS_PER_S):
            match effect:
                case effects.Send(event=InputAudioBufferSpeechStarted()):
                    self.turns.append([written / TICKS_PER_S])
                case effects.Send(event=InputAudioBufferSpeechStopped()):
                    self.turns[-1].append(written / TICKS_PER_S)
                case effects.RestartVad():
                    self._intake.restart(effect.stream)
                case effects.ForgetInput():
                    self._intake.buffer.forget(effect.end, is_break=effect.is_break)
                case _:
                    pass
        if isinstance(event, inputs.VoiceScored):
            self._scored.set()


def run(folder: Path, json_out: bool) -> Sequence[NoiseRow]:
    """Run every detector on the recordings of ``folder``, listed in its ``recordings.toml``, and print.

    Raises `NotFound` without a manifest.
    """
    rows = asyncio.run(measure(folder, load_settings()))
    if json_out:
        print_json(rows)
    else:
        OUT.print(_table(rows))
    return rows


async def measure(folder: Path, settings: Settings) -> list[NoiseRow]:
    """Return a row for each detector; one that does not start is skipped with a message."""
    told = recordings(folder)
    noises = {one.file: _repeated(_sound(folder / one.file)) for one in told if not one.text}
    speeches = [_sound(folder / one.file) for one in told if one.text]
    rows: list[NoiseRow] = []
    for name in DETECTORS:
        ERR.print(name)
        engine = load("vad", (name,), engine_context(settings))
        try:
            await engine.start()
        except AntiphonError as exc:
            ERR.print(f"{name} skipped: {exc}")
            continue
        try:
            turns = {file: await NoiseListener(engine).hear(sound) for file, sound in noises.items()}
            heard = [await _delay_ms(engine, sound) for sound in _loud_and_faint(speeches)]
        finally:
            await engine.close()
        rows.append(judged(name, turns, heard))
    return rows


def judged(detector: str, turns: Mapping[str, list[list[float]]], heard: Sequence[float | None]) -> NoiseRow:
    """Return the row of a detector from its turns per noise and its onset delays; None for a missed onset."""
    delays = sorted(delay for delay in heard if delay is not None)
    p95 = delays[min(len(delays) - 1, int(len(delays) * 0.95))] if delays else math.inf
    return NoiseRow(
        detector=detector,
        turns_per_minute={file: len(found) * 60 / NOISE_S for file, found in turns.items()},
        in_turns={file: round(_share(found), 3) for file, found in turns.items()},
        onsets=len(delays),
        speeches=len(heard),
        delay_p50_ms=round(median(delays), 1) if delays else math.inf,
        delay_p95_ms=round(p95, 1),
        met=len(delays) == len(heard) and p95 <= MOST_DELAY_MS and all(map(_is_quiet, turns.values())),
    )


def _is_quiet(turns: Sequence[Sequence[float]]) -> bool:
    return len(turns) * 60 / NOISE_S <= MOST_TURNS and all(len(turn) > 1 for turn in turns)


def _share(turns: Sequence[Sequence[float]]) -> float:
    return sum((turn[1] if len(turn) > 1 else NOISE_S) - turn[0] for turn in turns) / NOISE_S


def onset_s(sound: Sound) -> float:
    """Return where speech begins: 30 ms at most 20 dB below the loudest tenth, independent of detectors."""
    whole = sound[: len(sound) // _STEP * _STEP].astype(np.float64).reshape(-1, _STEP)
    levels = np.sqrt(np.mean(whole**2, axis=1))
    loud = levels >= _QUIET * np.quantile(levels, 0.9)
    runs = np.convolve(loud, np.ones(_ONSET_STEPS), "valid") >= _ONSET_STEPS
    return float(np.argmax(runs)) * _STEP / PCM_HZ


async def _delay_ms(engine: VoiceActivity, speech: Sound) -> float | None:
    before = np.random.default_rng(0).normal(0, _FAINT, int(_BEFORE_S * PCM_HZ)).astype(np.int16)
    turns = await NoiseListener(engine).hear(np.concatenate([before, speech]))
    return (turns[0][0] - _BEFORE_S - onset_s(speech)) * 1000 if turns else None


def _sound(path: Path) -> Sound:
    return np.frombuffer(pcm_of(path, PCM_HZ), "<i2")


def _repeated(sound: Sound) -> Sound:
    return np.resize(sound, NOISE_S * PCM_HZ)


def _loud_and_faint(sounds: Sequence[Sound]) -> Iterator[Sound]:
    for sound in sounds:
        for gain in _GAINS:
            yield np.clip(sound * gain, -32_768, 32_767).astype(np.int16)


def _table(rows: Sequence[NoiseRow]) -> Table:
    table = Table("detector", "turns a minute of noise (time in them)", "speech detected", "delay p50 / p95 ms", "met")
    for row in rows:
        turns = "\n".join(
            f"{file}: {count:g} ({row.in_turns[file]:.0%})" for file, count in row.turns_per_minute.items()
        )
        delays = f"{row.delay_p50_ms:.0f} / {row.delay_p95_ms:.0f}"
        table.add_row(row.detector, turns, f"{row.onsets} of {row.speeches}", delays, "yes" if row.met else "NO")
    return table
