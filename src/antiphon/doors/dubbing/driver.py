"""Drives one dubbing stream: runs its machine, submits its jobs, and holds the audio of its results."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol
from uuid import uuid4

import msgspec
import pybase64
import structlog
from msgspec import UNSET, Struct
from msgspec.structs import replace

from antiphon.clock import Clock
from antiphon.doors.dubbing.artifact import artifact_of
from antiphon.doors.dubbing.ownership import Key, StreamLease, opaque_name
from antiphon.doors.websocket.session_history import SessionHistory
from antiphon.dubbing import effects, inputs
from antiphon.dubbing.codes import NATURES
from antiphon.dubbing.failures import failure
from antiphon.dubbing.hints import initial_prompt
from antiphon.dubbing.stream import Stream
from antiphon.dubbing.voices import VoiceProfile
from antiphon.entities.history import Unit
from antiphon.errors import AntiphonError
from antiphon.jobs.client import JobClient
from antiphon.observe.dubbing_metrics import DubbingMetrics
from antiphon.observe.metrics import OTHER
from antiphon.observe.tasks import unattended
from antiphon.ports.artifacts import Artifact
from antiphon.ports.limiter import Account
from antiphon.wire.dubbing_client import StreamConfig, StreamInit, take_audio
from antiphon.wire.dubbing_server import DubbedAudio, DubbingError, FragmentProcessed
from antiphon.wire.entries import FragmentDubbed
from antiphon.wire.jobs import Dub

_GRACE_S = 0.2
"""Added to a job's timeout, so that a fragment that times out can report its stage."""

_log = structlog.get_logger(__name__)

Keep = Callable[[Artifact], None]
"""Stores the artifact of a fragment."""


class Listener(Protocol):
    """The connection of a stream."""

    def send(self, name: str, payload: Struct) -> None:
        """Queue an event."""
        ...

    def complete(self) -> None:
        """Report that the stream is complete."""
        ...

    def displaced(self) -> None:
        """Report that another connection or gateway has resumed the stream."""
        ...


@dataclass(frozen=True, slots=True)
class StreamServices:
    """What streams need of their process."""

    job_client: JobClient
    clock: Clock
    metrics: DubbingMetrics
    keep: Keep
    record: Callable[[Unit], None]
    """Writes rows of the history; returns at once."""
    shows_id: bool
    """False where keys are configured: metrics then use an opaque name, since stream ids are private to a key."""


@dataclass(frozen=True, slots=True)
class _Begun:
    """A fragment that is being processed."""

    start: effects.Start
    audio: bytes
    """The original; empty after the connection was lost."""


class StreamDriver:
    """Drives one `Stream`."""

    def __init__(self, key: Key, machine: Stream, services: StreamServices, lease: StreamLease | None) -> None:
        """``lease`` is None if no other gateway can resume the stream."""
        self.key = key
        self.lease = lease
        self._machine = machine
        self._services = services
        self._job_of: Callable[[effects.Start, bytes, float], Dub] | None = None
        self._listener: Listener | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._offered: dict[int, bytes] = {}
        self._offers = 0
        self._begun: dict[str, _Begun] = {}
        self._made: dict[str, FragmentDubbed] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._history: SessionHistory | None = None
        """Set as soon as the stream has begun."""

    @property
    def machine(self) -> Stream:
        """The state machine of the stream."""
        return self._machine

    @property
    def is_new(self) -> bool:
        """True for a stream that has not begun on any gateway."""
        return not self._machine.stream_id and (self.lease is None or self.lease.resumed_at is None)

    @property
    def listener(self) -> Listener | None:
        """The connection, None while there is none."""
        return self._listener

    @property
    def _account(self) -> Account:
        return self.key[0]

    @property
    def _series(self) -> str:
        """The stream's label in metrics."""
        return self.key[1] if self._services.shows_id else opaque_name(self.key)

    def listen(self, listener: Listener | None) -> None:
        """Set or remove the connection."""
        self._listener = listener
        if listener is None:  # drop the originals, of up to 10 MiB each
            self._end_history()
            self._begun = {job_id: dataclasses.replace(one, audio=b"") for job_id, one in self._begun.items()}

    def begin(self, init: StreamInit, profile: VoiceProfile) -> None:
        """Begin the stream, or resume it."""
        self._job_of = partial(_job_of, config=init.config, profile=profile)
        is_new = not self._machine.stream_id
        self.tell(inputs.Begun(init, str(uuid4()), self.lease.resumed_at if self.lease and is_new else None))
        self._open_history(msgspec.json.encode(init.config))

    def _open_history(self, config: bytes) -> None:
        session_id = self._machine.state.session_id
        if self._history is not None and self._history.session_id == session_id:  # the machine has refused to begin
            return
        self._end_history()
        self._history = SessionHistory(
            self._services.record,
            self._services.clock,
            "dubbing",
            tenant=self._account.tenant,
            session_id=session_id,
            key_id=self._account.key_id,
        )
        self._history.opened("", config)

    def _end_history(self) -> None:
        if self._history is not None:
            self._history.ended("", b"", resumable=False)
            self._history = None

    def offer(self, payload: object) -> None:
        """Pass a fragment to the machine; its audio stays in the driver."""
        described, audio = take_audio(payload)
        self._offers += 1
        if audio is not None:
            self._offered[self._offers] = audio
        wall_ms = int(self._services.clock.wall() * 1000)
        self.tell(inputs.Offered(described, wall_ms, None if audio is None else self._offers))
        self._offered.clear()  # the audio of an accepted fragment has moved to `_begun`

    def tell(self, event: inputs.Input) -> None:
        """Pass an input to the machine and carry out its effects."""
        for effect in self._machine.receive(event, self._services.clock.now()):
            self._carry_out(effect)
        flights = self._machine.state.flights.values()
        waiting = sum(one.result is None for one in flights)
        self._services.metrics.in_flight(self._series, len(flights), waiting)
        if self.lease is not None:
            self.lease.note(self._machine.state.expected)
        self._set_timer()

    def _carry_out(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Send():
                self._send(effect.name, effect.payload)
            case effects.Deliver():
                self._deliver(effect)
            case effects.Start():
                begun = self._begun[effect.job_id] = _Begun(effect, self._offered.pop(effect.audio))
                self._tasks[effect.job_id] = unattended(self._work(begun), name=f"fragment {effect.job_id}")
            case effects.Cancel():
                self._begun.pop(effect.job_id, None)
                if (task := self._tasks.pop(effect.job_id, None)) is not None:
                    task.cancel()
            case effects.Forget():
                self._made.pop(effect.job_id, None)
                self._begun.pop(effect.job_id, None)
            case effects.Close():
                if self._listener is not None:
                    self._listener.complete()

    def refuse(self, error: DubbingError) -> None:
        """Send an error that did not come from the machine."""
        self._send("error", error)

    def _send(self, name: str, payload: Struct) -> None:
        if isinstance(payload, DubbingError):
            self._services.metrics.refused(self._series, payload.code)
        if self._listener is not None:
            self._listener.send(name, payload)

    def _deliver(self, effect: effects.Deliver) -> None:
        result, dubbed = effect.result, self._made.get(effect.audio)
        audio = UNSET if dubbed is None else _audio_of(dubbed)
        self._send("fragment:processed", replace(result, dubbed_audio=audio))
        begun = next(
            (one for one in self._begun.values() if one.start.fragment.fragment_id == result.fragment_id), None
        )
        if begun is not None:
            job_id = begun.start.job_id
            del self._begun[job_id]
            made = self._made.get(job_id)
            self._services.keep(
                artifact_of(begun.start, begun.audio, made, result, self._account, self._services.clock.wall())
            )
        if not effect.again:
            self._count(result)
            self._use(result, begun)
            _log_result(result, self._machine.state.session_id)

    def _count(self, result: FragmentProcessed) -> None:
        metrics, timings = self._services.metrics, result.stage_timings
        stages = {"asr": timings.asr_ms, "translation": timings.translation_ms, "tts": timings.tts_ms}
        reached = {stage: spent_ms for stage, spent_ms in stages.items() if spent_ms}
        metrics.delivered(self._series, result.status, result.processing_time_ms / 1000, reached)
        if result.error and result.status == "failed":
            code = (
                result.error.code if result.error.code in NATURES else OTHER
            )  # in echo mode workers may request any code
            metrics.failed(self._series, result.error.stage, code)

    def _use(self, result: FragmentProcessed, begun: _Begun | None) -> None:
        """Record what a fragment has used."""
        if self._history is not None:
            seconds = 0.0 if begun is None else begun.start.fragment.audio.duration_ms / 1000
            source = f"{self._history.session_id}:{result.sequence_number}"
            rows = self._history.used(source, {"requests": 1, "audio_input_s": seconds})
            self._services.record(Unit(usage=rows))

    async def _work(self, begun: _Begun) -> None:
        job_id = begun.start.job_id
        try:
            done = await self._dubbed(begun)
        except AntiphonError as error:
            done = inputs.Done(job_id, "failed", error=failure("asr", error))
        finally:
            self._tasks.pop(job_id, None)
        self.tell(done)

    async def _dubbed(self, begun: _Begun) -> inputs.Done:
        services, start, job_id = self._services, begun.start, begun.start.job_id
        assert self._job_of is not None  # noqa: S101 - narrows the type: fragments start in a stream that has begun
        work = self._job_of(start, begun.audio, services.clock.wall() + start.timeout_s)
        made = await services.job_client.result(
            work,
            FragmentDubbed,
            tenant=self._account.tenant,
            key_id=self._account.key_id,
            correlation_id=self._machine.state.session_id,
            timeout_s=start.timeout_s + _GRACE_S,
            retries=False,
        )
        self._made[job_id] = made
        return inputs.Done(
            job_id,
            made.status,
            audio_bytes=len(made.audio),
            transcript=made.transcript,
            translated_text=made.translated_text,
            timings=made.timings,
            error=made.error,
            warnings=made.warnings,
            metadata=made.metadata,
        )

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._machine.next_due
        if due is not None:
            wait_s = max(0.0, due - self._services.clock.now())
            self._timer = asyncio.get_running_loop().call_later(wait_s, self.tell, inputs.Ticked())

    def close(self) -> None:
        """Release all resources; the stream cannot continue afterwards."""
        if self._timer is not None:
            self._timer.cancel()
        self.listen(None)
        for task in self._tasks.values():
            task.cancel()
        self._services.metrics.forget(self._series)


def _audio_of(made: FragmentDubbed) -> DubbedAudio:
    return DubbedAudio(
        format=made.format,
        sample_rate_hz=made.rate_hz,
        channels=made.channels,
        duration_ms=made.duration_ms,
        data_base64=pybase64.b64encode(made.audio).decode(),
    )


def _log_result(result: FragmentProcessed, session_id: str) -> None:
    """Log timings and errors of a result, never its text."""
    error = result.error or None
    _log.info(
        "fragment processed",
        stream_id=result.stream_id,
        fragment_id=result.fragment_id,
        sequence_number=result.sequence_number,
        session_id=session_id,
        status=result.status,
        processing_ms=result.processing_time_ms,
        asr_ms=result.stage_timings.asr_ms,
        translation_ms=result.stage_timings.translation_ms,
        tts_ms=result.stage_timings.tts_ms,
        error_code=error.code if error else None,
        stage=error.stage if error else None,
    )


def _job_of(start: effects.Start, audio: bytes, until_s: float, config: StreamConfig, profile: VoiceProfile) -> Dub:
    """Return the job of a fragment."""
    fragment = start.fragment
    return Dub(
        stream_id=fragment.stream_id,
        fragment_id=fragment.fragment_id,
        sequence_number=fragment.sequence_number,
        audio=audio,
        format=fragment.audio.format,
        rate_hz=fragment.audio.sample_rate_hz,
        channels=fragment.audio.channels,
        duration_ms=fragment.audio.duration_ms,
        until_s=until_s,
        start_ms=start.begins_ms,
        source=config.source_language,
        target=config.target_language,
        prompt=initial_prompt(config.domain_hints or (), config.source_language),
        voice=profile.sample or profile.voice,
        voice_model=profile.model,
        voice_profile=profile.name,
        out_format=config.format,
        out_rate_hz=config.sample_rate_hz,
        out_channels=config.channels,
    )
