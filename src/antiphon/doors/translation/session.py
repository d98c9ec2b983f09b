"""One translation connection: passes frames to the machine and carries out its effects."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

import msgspec
import pybase64
import structlog
from msgspec.structs import replace

from antiphon.audio.detector_rate import DetectorRate
from antiphon.doors.server.frames import LongText
from antiphon.doors.websocket.audio import PCM_HZ, InputBuffer
from antiphon.doors.websocket.callbacks import FailGroupOnError
from antiphon.doors.websocket.connection import Connection
from antiphon.doors.websocket.event_rate import EventRateLimiter
from antiphon.doors.websocket.jobs import SessionJobs
from antiphon.doors.websocket.large_events import decoded, is_large, misplaced, opened, size_bytes
from antiphon.doors.websocket.send_queue import SendQueue
from antiphon.doors.websocket.serial_tasks import SerialTasks
from antiphon.doors.websocket.session_options import SessionLimits, SessionServices
from antiphon.translation_session import effects, inputs
from antiphon.translation_session.machine import CLOSE_TICKS, TranslationMachine
from antiphon.translation_session.state import Component
from antiphon.wire import entries, jobs, realtime_codec
from antiphon.wire.event_decoder import BadEvent, EventDecoder
from antiphon.wire.realtime_server import Error
from antiphon.wire.realtime_session import AudioPcm
from antiphon.wire.translation import SessionClose, SessionUpdate, TranslationClientMessage

_log = structlog.get_logger(__name__)
_decoder: EventDecoder[TranslationClientMessage] = EventDecoder(TranslationClientMessage)
_encode = msgspec.json.encode

_RESULTS_GONE, _STUCK = 1001, 1011
"""Close codes: the results of the session were dropped; the session makes no progress."""
_STUCK_MARGIN_S = 5.0
"""Added to the timeout of a job: a job that no worker claims ends after that timeout."""
_TICK_S = 0.01
"""Shortest timer: one that fires slightly early would be set again at once."""
_MODES: dict[Component, str] = {"stt": "left_out", "translation": "source_text_only", "tts": "text_only"}
"""Result of an utterance while a component fails."""
_MOST_UTTERANCES = 16
"""No event is read above so many unfinished utterances, or above `max_buffer_s` of unscored audio."""


@dataclass(frozen=True, slots=True)
class TranslationSessionOptions:
    """Options of translation sessions."""

    limits: SessionLimits
    max_buffer_s: float
    """Most audio that the voice detector has not scored; above it no event is read."""
    lasts_s: float
    """Longest duration of a session."""
    job_timeout_s: float
    """Longest time without a result of a stage's jobs, before its utterances fail."""


class TranslationConnection:
    """Drives one `TranslationMachine`."""

    def __init__(
        self,
        machine: TranslationMachine,
        services: SessionServices,
        options: TranslationSessionOptions,
        group: asyncio.TaskGroup,
        connection: Connection,
        *,
        tenant: str,
    ) -> None:
        self._machine = machine
        self._limits = options.limits
        self._most_unheard = options.max_buffer_s * PCM_HZ
        self._clock = services.clock
        self._metrics = services.metrics
        self._event_rate = EventRateLimiter(services.clock, options.limits.events_per_s)
        self._large_events = services.large_events
        self._progress = asyncio.Event()
        self._stuck_s = options.job_timeout_s + _STUCK_MARGIN_S
        self._context = contextvars.copy_context()
        """Of the connection, so that callbacks belong to its trace."""
        self._ends_group = FailGroupOnError(group)
        self._is_closed = False
        self._connection = connection
        session_id = machine.state.session.id
        limits = options.limits
        self._send_queue = SendQueue(group, connection, limit_bytes=limits.max_queue_bytes, stall_s=limits.stall_s)
        self._jobs = SessionJobs(
            services.bus,
            services.clock,
            tenant,
            session_id,
            timeout_s=services.job_timeout_s,
            on_refused=self._result,
        )
        self._work: SerialTasks[tuple[str, jobs.Work | None]] = SerialTasks(group, f"jobs {session_id}", self._submit)
        self._input = InputBuffer(AudioPcm())
        self._detector_rate = DetectorRate(PCM_HZ)
        self._voice = services.vad.open(self._on_scores)
        self._speech: dict[int, bytes] = {}
        self._refs = 0
        self._reader = group.create_task(self._read_results(), name=f"results {session_id}")
        self._end_timer = asyncio.get_running_loop().call_later(options.lasts_s, self._on_session_end)
        self._due_timer: asyncio.TimerHandle | None = None
        self._due_at: float | None = None

    @property
    def may_return(self) -> bool:
        """False: a translation session ends with its connection."""
        return False

    @property
    def is_answering(self) -> bool:
        """True while an utterance is unfinished."""
        return bool(self._machine.state.utterances)

    def open(self) -> None:
        """Greet the client."""
        self._tell(inputs.Opened())

    async def frame(self, frame: str | LongText | bytes | None) -> None:
        """Handle one frame, no faster than the client reads and its speech is scored and translated."""
        await self._event_rate.hold()
        await self._send_queue.room()
        while self._is_behind:
            self._progress.clear()
            try:
                async with asyncio.timeout(self._stuck_s):
                    await self._progress.wait()
            except TimeoutError:
                self._connection.hang_up(_STUCK, "the session makes no progress")
                return
        try:
            await self._event(frame)
        except BadEvent as bad:
            self._metrics.error("realtime", "invalid_request_error")
            error = self._machine.refuse(bad.message, code=bad.code, param=bad.param, event_id=bad.event_id)
            self._send_queue.put(_encode(error))

    @property
    def _is_behind(self) -> bool:
        state = self._machine.state
        if state.closed:
            return False
        return state.written - state.scored > self._most_unheard or len(state.utterances) > _MOST_UTTERANCES

    async def _event(self, frame: str | LongText | bytes | None) -> None:
        if not isinstance(frame, str | LongText):
            message = "Binary frames are not part of this protocol; send JSON text."
            raise BadEvent(message, code="invalid_event", param=None, event_id=None)
        if (size := size_bytes(frame)) > self._limits.max_frame_bytes:
            message = f"The event has {size} bytes; the most is {self._limits.max_frame_bytes}."
            raise BadEvent(message, code="event_too_large", param=None, event_id=None)
        if is_large(frame):
            async with self._large_events:
                await self._large_event(frame)
        else:
            assert isinstance(frame, str)  # noqa: S101 -- narrows the type: a long text is large
            self._take(_decoder.decode(frame))

    async def _large_event(self, frame: str | LongText) -> None:
        text, taken = await opened(frame)
        message = _decoder.decode(text)
        audio = None if isinstance(message, SessionUpdate | SessionClose) else taken.pop(message.audio, None)
        if taken:
            raise misplaced()
        if audio is None:
            self._take(message)
            return
        most = self._limits.max_append_bytes
        for data in await decoded(audio, param="audio", event_id=message.event_id, most=most):
            self._append(self._input.decode(data))
            await asyncio.sleep(0)

    def _take(self, message: TranslationClientMessage) -> None:
        match message:
            case SessionUpdate():
                self._tell(inputs.Updated(message.session))
            case SessionClose():
                self._close_input()
            case _:
                data = realtime_codec.decode_audio(
                    message.audio, param="audio", event_id=message.event_id, most=self._limits.max_append_bytes
                )
                self._append(self._input.decode(data))

    def _append(self, pcm: bytes) -> None:
        self._input.append(pcm)
        self._tell(inputs.Appended(self._input.ticks(pcm)))
        self._voice.feed(self._detector_rate.feed(pcm))

    def _close_input(self) -> None:
        """End the input: trailing silence makes the detector score the last audio."""
        self._tell(inputs.CloseAsked())
        self._append(bytes(2 * CLOSE_TICKS))

    # -- callbacks: an exception ends this connection only -------------------------------------------------------------
    def _on_scores(self, scores: Sequence[float]) -> None:
        self._call(inputs.VoiceScored(tuple(scores)))

    def _on_due(self) -> None:
        self._due_timer = self._due_at = None
        self._call(inputs.Tick())

    def _on_session_end(self) -> None:
        with self._ends_group:
            self._context.copy().run(self._close_input)

    def _call(self, event: inputs.Input) -> None:
        with self._ends_group:
            self._context.copy().run(self._tell, event)

    # -- results -----------------------------------------------------------------------------------------------------
    async def _read_results(self) -> None:
        async with aclosing(self._jobs.results()) as results:
            async for _, entry in results:
                await self._send_queue.room()
                self._result(entry)
        if not self._is_closed:  # no more results can arrive
            self._connection.hang_up(_RESULTS_GONE, "the session's results are gone")

    def _result(self, entry: entries.PipeEntry) -> None:
        job_id = self._jobs.name(entry.job_id)
        match entry:
            case entries.TranscriptReady():
                self._tell(inputs.Transcribed(job_id, entry.text, entry.language))
            case entries.TranslationReady():
                self._tell(inputs.Translated(job_id, entry.text))
            case entries.AudioReady() if entry.audio:
                self._refs += 1
                self._speech[self._refs] = entry.audio
                self._tell(inputs.AudioMade(job_id, self._refs))
                self._speech.pop(self._refs, None)  # if the machine ignored it: its job is over
            case entries.SpeechDone():
                self._tell(inputs.SpeechMade(job_id))
            case entries.JobFailed():
                self._tell(inputs.Failed(job_id, entry.code, entry.message, entry.transient))
            case _:
                pass

    def _tell(self, event: inputs.Input) -> None:
        if self._is_closed:
            return
        for effect in self._machine.receive(event, self._clock.now()):
            self._carry_out(effect)
        self._progress.set()
        self._connection.rest()
        self._arm()

    def _arm(self) -> None:
        due_at = self._machine.due_at
        if due_at == self._due_at:
            return
        if self._due_timer is not None:
            self._due_timer.cancel()
        self._due_timer, self._due_at = None, due_at
        if due_at is not None:
            wait_s = max(_TICK_S, due_at - self._clock.now())
            self._due_timer = asyncio.get_running_loop().call_later(wait_s, self._on_due)

    def _carry_out(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Send():
                self._send_queue.put(_encode(effect.event))
                if isinstance(effect.event, Error):
                    self._metrics.error("realtime", effect.event.error.type)
            case effects.SendAudio():
                data = pybase64.b64encode(self._speech.pop(effect.ref)).decode()
                self._send_queue.put(_encode(replace(effect.event, delta=data)))
            case effects.StartTranscription():
                clip = self._input.clip(effect.start, effect.end)
                self._input.forget(effect.end)
                self._work.put((effect.job_id, jobs.Transcribe(clip.data, clip.rate_hz)))
            case effects.StartTranslation():
                work = jobs.Translate(effect.text, effect.target, effect.source or None)
                self._work.put((effect.job_id, work))
            case effects.StartSpeech():
                work = jobs.Speak(effect.text, language=effect.language)
                self._work.put((effect.job_id, work))
            case effects.CancelJob():
                self._work.put((effect.job_id, None))
            case effects.ComponentChanged():
                self._note(effect)
            case effects.Forget():
                self._input.forget(effect.end)
            case effects.Close():
                self._connection.hang_up(1000, "")

    def _note(self, effect: effects.ComponentChanged) -> None:
        """Log and count a failed or recovered component: the protocol has no event for it."""
        self._metrics.component(effect.component, is_down=effect.is_down)
        if effect.is_down:
            _log.warning("degraded", component=effect.component, mode=_MODES[effect.component])
        else:
            _log.info("recovered", component=effect.component, mode=_MODES[effect.component])

    async def _submit(self, job: tuple[str, jobs.Work | None]) -> None:
        job_id, work = job
        if work is None:
            await self._jobs.cancel(job_id)
        else:
            await self._jobs.do(job_id, work)

    async def flushed(self) -> None:
        """Return when all queued events are written."""
        await self._send_queue.flushed()

    async def close(self) -> None:
        """Release all resources and cancel unfinished jobs."""
        self._is_closed = True
        self._end_timer.cancel()
        if self._due_timer is not None:
            self._due_timer.cancel()
        self._voice.close()
        self._reader.cancel()
        await self._jobs.close([utterance.job_id for utterance in self._machine.state.utterances if utterance.job_id])
