"""The stages of one fragment: decode, transcribe, translate, speak, fit, encode. The first failure ends it."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, NamedTuple, ParamSpec, Protocol, TypeVar, get_args

from msgspec import UNSET

from antiphon.audio.fragments import (
    DecodedFragment,
    EncodedFormat,
    EncodedFragment,
    encode_fragment,
    file_errors,
    fragment_of,
    read_samples,
    silence,
)
from antiphon.clock import Clock
from antiphon.dubbing.failures import failure
from antiphon.dubbing.fit import DurationStatus, Fitted, Limits, Tempo, fit, judge
from antiphon.dubbing.lineage import (
    NO_MODEL,
    Asset,
    AssetStatus,
    AudioFacts,
    TranscriptAsset,
    TranslationAsset,
    dubbed_asset,
    lineage,
    transcript_asset,
    translation_asset,
    without_audio,
)
from antiphon.dubbing.lineage import Stage as StageFacts
from antiphon.dubbing.words import spoken_words
from antiphon.entities.dubbing import FragmentMetadata, ProcessingError, Stage, StageTimings, Status
from antiphon.entities.speech import Pcm, Transcript
from antiphon.errors import AntiphonError, ProviderTimeout
from antiphon.text.speakable import speech_text
from antiphon.text.translatable import translatable
from antiphon.wire.entries import FragmentDubbed
from antiphon.wire.jobs import Dub

P = ParamSpec("P")
T = TypeVar("T")

_DECLARED_MS = 100.0
"""Largest deviation at which the declared length is used instead of the audio's."""
MOST_PLAIN_BYTES = 3 * 2**20
"""Longer audio is sent as m4a: aiohttp clients refuse messages above 4 MiB, and base64 adds a third."""


class Maker(NamedTuple):
    """The engine and the model that did a stage."""

    engine: str
    model: str


_NO_MAKER = Maker("", NO_MODEL)


class Stages(Protocol):
    """Runs the stages: each returns its maker too, and raises `ProviderTimeout` after ``within_s``."""

    async def compute(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a computation off the event loop."""
        ...

    async def decode(self, file: bytes, *, within_s: float) -> bytes:
        """Decode a file to mono s16le at `SPEECH_RATE_HZ`. Raises `InvalidRequest`."""
        ...

    async def transcribe(
        self, audio: Pcm, *, language: str, prompt: str, within_s: float
    ) -> tuple[Transcript, Maker]: ...

    async def translate(self, text: str, *, source: str, target: str, within_s: float) -> tuple[str, Maker]: ...

    async def speak(
        self, text: str, *, voice: str, model: str, language: str, speed: float, within_s: float
    ) -> tuple[Pcm, Maker]: ...


@dataclass(frozen=True, slots=True)
class PipelineRules:
    """Configuration, the same for all fragments."""

    asr_s: float
    translation_s: float
    tts_s: float
    """Timeouts of the stages."""
    limits: Limits
    fallback: Literal["silence", "original"]
    """Output for fragments without speech."""
    drop_speaker_labels: bool


class Pipeline:
    """Dubs fragments, any number at a time."""

    def __init__(self, rules: PipelineRules, clock: Clock) -> None:
        self._rules = rules
        self._clock = clock
        self._tempo = Tempo(rules.limits)

    async def dub(self, job_id: str, work: Dub, stages: Stages, *, within_s: float) -> FragmentDubbed:
        """Dub one fragment. Errors of engines are part of the result."""
        run = _FragmentRun(work, stages, self._rules, self._clock, self._tempo, self._clock.now() + within_s)
        try:
            await run.execute()
        except _Stopped as stopped:
            run.error, run.status = stopped.error, "failed"
        return run.result(job_id)


class _Stopped(Exception):
    """A stage failed."""

    def __init__(self, error: ProcessingError) -> None:
        super().__init__(error.message)
        self.error = error


class _FragmentRun:
    """One fragment, and the results of its stages so far."""

    def __init__(
        self, work: Dub, stages: Stages, rules: PipelineRules, clock: Clock, tempo: Tempo, deadline: float
    ) -> None:
        self._work = work
        self._stages = stages
        self._rules = rules
        self._clock = clock
        self._tempo = tempo
        self._deadline = deadline
        self._spent_s: dict[Stage, float] = {}
        self._ended_at_s: dict[Stage, float] = {}
        self._makers: dict[Stage, Maker] = {}
        self._target_ms = float(work.duration_ms)
        self._recognised: Transcript | None = None
        self._transcript: str | None = None
        self._source_text = ""
        self._translated: str | None = None
        self._text = ""
        self._fitted: Fitted | None = None
        self._encoded: EncodedFragment | None = None
        self._warnings: tuple[str, ...] = ()
        self.status: Status = "success"
        self.error: ProcessingError | None = None

    async def execute(self) -> None:
        """Run the stages in order. Raises `_Stopped`."""
        with self._stage("asr"):
            decoded = await self._decode()
            self._transcript = await self._transcribe(decoded)
        if self._transcript:
            with self._stage("translation"):
                self._translated = await self._translate(self._transcript)
        else:
            self._translated = ""
        with self._stage("tts"):
            self._text = speech_text(self._translated, self._work.target)
            if self._text:
                await self._speak(self._text)
            else:
                await self._fall_back(decoded)

    async def _decode(self) -> DecodedFragment:
        work = self._work
        decoded = await self._stages.compute(read_samples, work.audio, work.format, work.rate_hz, work.channels)
        if decoded is None:
            with file_errors():
                mono = await self._stages.decode(work.audio, within_s=self._left(self._rules.asr_s))
            decoded = fragment_of(mono)
        if abs(decoded.duration_ms - self._target_ms) > _DECLARED_MS:
            self._target_ms = decoded.duration_ms
        return decoded

    async def _transcribe(self, decoded: DecodedFragment) -> str:
        recognised, self._makers["asr"] = await self._stages.transcribe(
            decoded.mono,
            language=self._work.source,
            prompt=self._work.prompt,
            within_s=self._left(self._rules.asr_s),
        )
        self._recognised = recognised
        return spoken_words(recognised.text)

    async def _translate(self, transcript: str) -> str:
        source = self._work.source
        text = translatable(transcript, language=source, drop_speaker_labels=self._rules.drop_speaker_labels)
        self._source_text = text
        within_s = self._left(self._rules.translation_s)
        if not text:
            return ""
        translated, self._makers["translation"] = await self._stages.translate(
            text, source=source, target=self._work.target, within_s=within_s
        )
        return translated.strip()

    async def _speak(self, text: str) -> None:
        work, limits = self._work, self._rules.limits
        voice_key = f"{work.voice}/{work.target}"
        speed = self._tempo.speed_for(voice_key, text, self._target_ms)
        speech, self._makers["tts"] = await self._stages.speak(
            text,
            voice=work.voice,
            model=work.voice_model,
            language=work.target,
            speed=speed,
            within_s=self._left(self._rules.tts_s),
        )
        fitted = await self._stages.compute(fit, speech.data, speech.rate_hz, self._target_ms, limits)
        self._tempo.learn(voice_key, text, speed, fitted.metadata.raw_duration_ms)
        self._fitted = fitted
        self._judge(fitted)
        self._encoded = await self._encode(fitted.mono, speech.rate_hz)

    def _judge(self, fitted: Fitted) -> None:
        """Rate the length. Raises `_Stopped` if it is out of limits."""
        status = judge(self._target_ms, fitted.duration_ms, self._rules.limits).status
        if status is DurationStatus.SUCCESS:
            return
        message = f"The speech is {fitted.metadata.duration_variance_percent:.1f} % longer than its fragment."
        code = "DURATION_MISMATCH" if status is DurationStatus.PARTIAL else "DURATION_MISMATCH_EXCEEDED"
        error = ProcessingError(stage="tts", code=code, message=message, retryable=False)
        if status is DurationStatus.FAILED:
            raise _Stopped(error)
        self.status, self.error, self._warnings = "partial", error, ("duration_variance_high",)

    async def _fall_back(self, decoded: DecodedFragment) -> None:
        """Output silence or the original sound, for a fragment without speech."""
        work = self._work
        if self._rules.fallback == "silence":
            self._encoded = await self._stages.compute(
                silence, self._target_ms, self._out_format, work.out_rate_hz, work.out_channels
            )
        elif (same := _kept_format(work)) is not None:
            self._encoded = EncodedFragment(work.audio, same, work.out_rate_hz, decoded.duration_ms)
        else:
            self._encoded = await self._encode(decoded.mono.data, decoded.mono.rate_hz)

    async def _encode(self, mono: bytes, rate_hz: int) -> EncodedFragment:
        work = self._work
        return await self._stages.compute(
            encode_fragment, mono, rate_hz, self._out_format, work.out_rate_hz, work.out_channels
        )

    @property
    def _out_format(self) -> str:
        """The stream's format; m4a if plain samples would be too long for one message."""
        work = self._work
        width = {"pcm_s16le": 2, "wav": 2, "pcm_f32le": 4}.get(work.out_format, 0)
        samples = self._target_ms / 1000 * work.out_rate_hz * work.out_channels
        return "m4a" if samples * width > MOST_PLAIN_BYTES else work.out_format

    def _left(self, most_s: float) -> float:
        """Return the timeout of the next stage. Raises `ProviderTimeout` after the fragment's deadline."""
        left_s = min(most_s, self._deadline - self._clock.now())
        if left_s <= 0:
            raise ProviderTimeout("The fragment has timed out.")
        return left_s

    @contextmanager
    def _stage(self, stage: Stage) -> Generator[None]:
        begin = self._clock.now()
        try:
            yield
        except AntiphonError as error:
            raise _Stopped(failure(stage, error)) from error
        finally:
            self._spent_s[stage] = self._clock.now() - begin
            self._ended_at_s[stage] = self._clock.wall()

    def result(self, job_id: str) -> FragmentDubbed:
        """Return the result of the job."""
        encoded = self._encoded if self.status != "failed" else None
        assets = self._assets(encoded)
        return FragmentDubbed(
            job_id=job_id,
            status=self.status,
            audio=encoded.data if encoded else b"",
            format=encoded.format if encoded else "",
            rate_hz=encoded.rate_hz if encoded else 0,
            channels=self._work.out_channels if encoded else 0,
            duration_ms=round(encoded.duration_ms) if encoded else 0,
            transcript=self._transcript,
            translated_text=self._translated,
            timings=StageTimings(
                asr_ms=self._ms("asr"), translation_ms=self._ms("translation"), tts_ms=self._ms("tts")
            ),
            error=self.error,
            warnings=self._warnings,
            metadata=self._metadata(),
            assets=tuple(without_audio(asset) for asset in assets),
            lineage=lineage(assets),
        )

    def _assets(self, encoded: EncodedFragment | None) -> list[Asset]:
        """Return the assets of all stages that were reached."""
        work = self._work
        transcript = transcript_asset(
            self._facts("asr"),
            self._recognised,
            language=work.source,
            audio_duration_ms=round(self._target_ms),
            start_ms=work.start_ms,
        )
        assets: list[Asset] = [transcript]
        parent: TranscriptAsset | TranslationAsset = transcript
        if "translation" in self._spent_s:
            parent = translation_asset(
                self._facts("translation"),
                transcript,
                self._translated or "",
                source_text=self._source_text,
                source_language=work.source,
                target=work.target,
            )
            assets.append(parent)
        if "tts" in self._spent_s:
            audio = AudioFacts(
                audio_bytes=b"",
                format=encoded.format if encoded else work.out_format,
                sample_rate_hz=encoded.rate_hz if encoded else work.out_rate_hz,
                channels=work.out_channels,
                duration_ms=round(encoded.duration_ms) if encoded else 0,
            )
            facts = self._facts("tts")
            duration = self._fitted.metadata if self._fitted else None
            assets.append(
                dubbed_asset(
                    facts, parent, audio, voice_profile=work.voice_profile, text_input=self._text, duration=duration
                )
            )
        return assets

    def _facts(self, stage: Stage) -> StageFacts:
        """Return the facts of a stage."""
        maker = self._makers.get(stage, _NO_MAKER)
        error = self.error if self.error and self.error.stage == stage else None
        status: AssetStatus = "SUCCESS" if error is None else "FAILED" if self.status == "failed" else "PARTIAL"
        return StageFacts(
            stream_id=self._work.stream_id,
            fragment_id=self._work.fragment_id,
            sequence_number=self._work.sequence_number,
            component_instance=maker.engine,
            model_id=maker.model,
            latency_ms=self._ms(stage),
            ended_at_s=self._ended_at_s[stage],
            status=status,
            error_message=error.message if error else None,
        )

    def _metadata(self) -> FragmentMetadata | None:
        """Return how the lengths match; None before there is output."""
        if self._fitted is None and self._encoded is None:
            return None
        duration = self._fitted.metadata if self._fitted else None
        original_ms = round(self._target_ms)
        variance = round(duration.duration_variance_percent, 3) if duration else 0.0
        return FragmentMetadata(
            original_duration_ms=original_ms,
            dubbed_duration_ms=duration.final_duration_ms if duration else original_ms,
            duration_variance_percent=variance,
            speed_ratio=round(duration.speed_ratio, 4) if duration else 1.0,
            actual_variance_percent=variance if self._warnings else UNSET,
            asr_model=self._model("asr"),
            translation_model=self._model("translation"),
            tts_model=self._model("tts"),
        )

    def _model(self, stage: Stage) -> str:
        return self._makers.get(stage, _NO_MAKER).model

    def _ms(self, stage: Stage) -> int:
        return math.floor(
            self._spent_s.get(stage, 0.0) * 1000 + 1e-6
        )  # rounded down: their sum must not exceed the total


def _kept_format(work: Dub) -> EncodedFormat | None:
    """Return the format if a fragment's original audio can be returned unchanged, else None."""
    if len(work.audio) > MOST_PLAIN_BYTES:
        return None
    is_same = work.format == work.out_format == "m4a" or (work.format, work.rate_hz, work.channels) == (
        work.out_format,
        work.out_rate_hz,
        work.out_channels,
    )
    return next((one for one in get_args(EncodedFormat) if is_same and one == work.out_format), None)
