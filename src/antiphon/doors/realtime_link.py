"""One realtime connection: brings frames to the machine, and carries out what the machine asks for."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec

from antiphon.clock import Clock
from antiphon.conversation import inputs
from antiphon.conversation.effects import (
    AdoptAudio,
    CancelJob,
    Charge,
    Close,
    CommitAudio,
    CutAudio,
    DropSpeech,
    Effect,
    EndSpeech,
    Fence,
    ForgetAudio,
    ForgetInput,
    Keep,
    RestartVad,
    Send,
    SendAudio,
    SendItem,
    StartAnswer,
    StartScore,
    StartTranscription,
)
from antiphon.conversation.machine import Conversation
from antiphon.doors.connection import Connection
from antiphon.doors.ending import EndsGroup
from antiphon.doors.flood import FloodGuard
from antiphon.doors.pump import Pump
from antiphon.doors.realtime_audio import ItemAudio, SpeechEncoder, audio_ticks
from antiphon.doors.realtime_intake import LARGE_BYTES, Intake
from antiphon.doors.realtime_jobs import JobDesk
from antiphon.doors.realtime_outbox import Outbox
from antiphon.observe.metrics import Metrics
from antiphon.ports.bus import Bus
from antiphon.ports.limiter import Limiter
from antiphon.ports.store import StoredItem
from antiphon.ports.vad import VoiceActivity
from antiphon.wire import realtime_codec
from antiphon.wire.event_decoder import BadEvent
from antiphon.wire.jobs import AudioReady, PipeEntry
from antiphon.wire.realtime_server import Error, ErrorDetail, ResponseOutputAudioDelta

_TICK_S = 0.01
"""Ticks of all sessions fall together on multiples of this: waking for each costs more than what it does then."""

_PACED_PIECE_BYTES = 40 * 48
"""Speech that is sent at the pace of listening leaves in pieces of 40 ms: the lead is kept to one of them."""


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """Bounds of one connection."""

    max_frame_bytes: int = 21 * 2**20
    max_append_bytes: int = 15 * 2**20
    max_queue_bytes: int = 128 * 2**10
    stall_s: float = 5.0
    events_per_s: int = 1000
    item_audio_bytes: int = 64 * 2**20
    spill_dir: Path | None = None


@dataclass(frozen=True, slots=True)
class LinkServices:
    """What a connection works with."""

    bus: Bus
    vad: VoiceActivity
    clock: Clock
    limiter: Limiter
    keep: Callable[[StoredItem], None]
    job_timeout_s: float = 30.0
    metrics: Metrics = field(default_factory=Metrics)


class Link:
    """Drives one `Conversation`. Everything but jobs and writing happens at once, in the order of the inputs."""

    def __init__(
        self,
        machine: Conversation,
        services: LinkServices,
        limits: LinkLimits,
        group: asyncio.TaskGroup,
        connection: Connection,
        *,
        tenant: str,
        session_id: str,
        epoch: int,
    ) -> None:
        self.machine = machine
        self._services = services
        self._limits = limits
        self._group = group
        self._connection = connection
        self._tenant = tenant
        self._session_id = session_id
        self._clock = services.clock
        self._outbox = Outbox(group, connection, limit_bytes=limits.max_queue_bytes, stall_s=limits.stall_s)
        self._jobs = JobDesk(
            services.bus,
            services.clock,
            tenant,
            session_id,
            epoch,
            timeout_s=services.job_timeout_s,
            on_refused=self._result,
        )
        self._commands: Pump[Effect] = Pump(group, f"jobs {session_id}", self._command)
        self._intake = Intake(self, services.vad, max_append_bytes=limits.max_append_bytes)
        self._ends_group = EndsGroup(group)
        self._items = ItemAudio(limits.item_audio_bytes, limits.spill_dir)
        self._speech: dict[int, bytes] = {}
        self._refs = 0
        self._unsent: list[inputs.Unsent] = []
        self._piece_bytes = _PACED_PIECE_BYTES if machine.state.rules.pace else 0
        self._encoders: dict[str, SpeechEncoder] = {}
        self._reader: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._flood = FloodGuard(services.clock, limits.events_per_s)
        self._is_limited = False

    # -- inputs ------------------------------------------------------------------------------------------------------
    def open(self) -> None:
        """Greet the client."""
        self._is_limited = bool(self._services.limiter.allowances(self._tenant))
        self.tell(inputs.Opened())

    def tell(self, event: inputs.AnyInput) -> None:
        """Work one input in and carry out what follows."""
        now = self._clock.wall()
        if self._is_limited:  # limits recover with time, and other sessions use them up as well
            left = self._services.limiter.allowances(self._tenant)
            self._carry_out_all(self.machine.receive(inputs.AllowanceChanged(left), now))
        self._carry_out_all(self.machine.receive(event, now))
        while self._unsent:
            self._carry_out_all(self.machine.receive(self._unsent.pop(), now))
        self._arm(now)

    async def frame(self, frame: str | bytes | None) -> None:
        """Take one frame of the client."""
        await self._flood.hold()
        if not isinstance(frame, str):
            self._refuse("Binary frames are not part of this protocol; send JSON text.", "invalid_event", None, None)
        elif len(frame) > self._limits.max_frame_bytes:
            self._refuse(
                f"The event has {len(frame)} bytes; the most is {self._limits.max_frame_bytes}.",
                "event_too_large",
                None,
                None,
            )
        else:
            try:
                await self._intake.take(frame)
            except BadEvent as bad:
                self._refuse(bad.message, bad.code, bad.param, bad.event_id)

    def append(self, event: inputs.AudioAppended) -> bool:
        """Work in that audio has come, which seldom leads to anything; False when it was refused."""
        now, before = self._clock.wall(), self.machine.state.buffer.written
        effects = self.machine.receive(event, now)
        if effects:
            self._carry_out_all(effects)
            self._arm(now)
        return self.machine.state.buffer.written == before + event.ticks

    def tell_from_callback(self, event: inputs.AnyInput) -> None:
        """As `tell`, outside of the connection's tasks: what goes wrong ends this connection, and no other."""
        with self._ends_group:
            self.tell(event)

    def _refuse(self, text: str, code: str | None, param: str | None, event_id: str | None) -> None:
        """Answer what never reached the machine."""
        detail = ErrorDetail("invalid_request_error", code, text, param, event_id)
        self._services.metrics.error("realtime", detail.type)
        self._outbox.put(realtime_codec.encode(Error(event_id=self.machine.new_event_id(), error=detail)))

    async def _read_results(self) -> None:
        """Bring the workers' results to the machine, no faster than the client reads."""
        async for _, entry in self._jobs.results():
            if self._outbox.is_full:
                await self._outbox.room()
            self._result(entry)
            await self._jobs.settled(entry)

    def _result(self, entry: PipeEntry) -> None:
        if isinstance(entry, AudioReady):
            most, text = self._piece_bytes or len(entry.audio), entry.text
            for at in range(0, max(1, len(entry.audio)), max(1, most)):
                piece = entry.audio[at : at + most]
                self._refs += 1
                self._speech[self._refs] = piece
                self.tell(inputs.AudioMade(self._jobs.name(entry), self._refs, len(piece) // 2, text))
                text = ""
        else:
            event = self._jobs.as_input(entry)
            if event is not None:
                self.tell(event)

    # -- time --------------------------------------------------------------------------------------------------------
    def _arm(self, now: float) -> None:
        at = self.machine.wake_at(now)
        if at != self._timer_at or self._timer is None:
            self._timer_at = at
            if self._timer is not None:
                self._timer.cancel()
            loop = asyncio.get_running_loop()
            due = loop.time() + max(0.0, at - now)
            self._timer = loop.call_at(math.ceil(due / _TICK_S) * _TICK_S, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.tell_from_callback(inputs.Tick())

    # -- effects -----------------------------------------------------------------------------------------------------
    def _carry_out_all(self, effects: list[Effect]) -> None:
        for effect in effects:
            self._carry_out(effect)

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Send():
                self._outbox.put(realtime_codec.encode(effect.event))
                if isinstance(effect.event, Error):
                    self._services.metrics.error("realtime", effect.event.error.type)
            case SendAudio():
                self._send_audio(effect)
            case EndSpeech():
                self._end_speech(effect)
            case DropSpeech():
                self._speech.pop(effect.ref, None)
            case SendItem():
                self._send_item(effect)
            case Fence():
                self._fence(effect)
            case StartTranscription() | StartScore() | StartAnswer() | CancelJob():
                self._start(effect)
            case Keep():
                self._keep(effect)
            case Charge():
                self._charge(effect)
            case Close():
                self._connection.hang_up(effect.code, effect.reason)
            case _:
                self._keep_audio(effect)

    def _fence(self, effect: Fence) -> None:
        encoder = self._encoders.pop(effect.response_id, None)
        dropped = self._outbox.fence(effect.response_id)
        if encoder is not None and dropped + encoder.kept_ticks:
            self._unsent.append(inputs.Unsent(encoder.item_id, dropped + encoder.kept_ticks))

    def _send_audio(self, effect: SendAudio) -> None:
        event = effect.event
        encoder = self._encoders.get(event.response_id)
        if encoder is None:
            encoder = self._encoders[event.response_id] = SpeechEncoder(event.item_id, effect.form)
        self._put_audio(event, encoder, encoder.encode(self._speech.pop(effect.ref)))

    def _end_speech(self, effect: EndSpeech) -> None:
        encoder = self._encoders.pop(effect.event.response_id, None)
        if encoder is not None:
            self._put_audio(effect.event, encoder, encoder.finish())

    def _put_audio(self, event: ResponseOutputAudioDelta, encoder: SpeechEncoder, data: bytes) -> None:
        if data:
            self._items.add(event.item_id, encoder.form, data)
            frame = realtime_codec.encode_audio_delta(event, data)
            self._outbox.put(frame, event.response_id, audio_ticks(encoder.form, data))

    def _send_item(self, effect: SendItem) -> None:
        pieces = self._items.pieces(str(effect.event.item.id))
        size_bytes = sum(map(len, pieces))
        make = partial(realtime_codec.encode_item, effect.event, pieces)
        if size_bytes > LARGE_BYTES:
            self._outbox.put_later(make, size_bytes * 4 // 3)
        else:
            self._outbox.put(make())

    def _keep_audio(self, effect: CommitAudio | ForgetInput | RestartVad | AdoptAudio | CutAudio | ForgetAudio) -> None:
        match effect:
            case CommitAudio():
                clip = self._intake.buffer.clip(effect.start, effect.end)
                self._items.add(effect.item_id, self._intake.buffer.form, self._intake.buffer.encode(clip.data))
            case ForgetInput():
                self._intake.buffer.forget(effect.end, is_break=effect.is_break)
            case RestartVad():
                self._intake.restart(effect.stream)
            case AdoptAudio():
                for form, data in self._intake.given_audio:
                    self._items.add(effect.item_id, form, data)
            case CutAudio():
                self._items.cut(effect.item_id, effect.ticks)
            case ForgetAudio():
                self._items.forget(effect.item_id)

    def _start(self, effect: StartTranscription | StartScore | StartAnswer | CancelJob) -> None:
        """Note the audio a job needs now, and hand the job out in order."""
        match effect:
            case StartTranscription() if effect.item_id and not effect.end:
                self._jobs.attach(effect.job_id, self._items.clip(effect.item_id))
            case StartTranscription() | StartScore():
                self._jobs.attach(effect.job_id, self._intake.buffer.clip(effect.start, effect.end))
            case _:
                pass
        if self._reader is None:
            self._reader = self._group.create_task(self._read_results(), name=f"results {self._session_id}")
        self._commands.put(effect)

    async def _command(self, effect: Effect) -> None:
        match effect:
            case StartTranscription():
                await self._jobs.transcribe(effect)
            case StartScore():
                await self._jobs.score(effect)
            case StartAnswer():
                await self._jobs.answer(effect)
            case CancelJob():
                await self._jobs.cancel(effect.job_id)
            case _:
                raise AssertionError(f"{type(effect).__name__} is no job")

    def _keep(self, effect: Keep) -> None:
        content = b"" if effect.item is None else msgspec.json.encode(effect.item)
        self._services.keep(
            StoredItem(
                tenant=self._tenant,
                session_id=self._session_id,
                item_id=effect.item_id,
                position=effect.position,
                revision=effect.revision,
                content=content,
                created_at=self._clock.wall(),
                deleted=effect.item is None,
            )
        )

    def _charge(self, effect: Charge) -> None:
        self._services.limiter.charge(self._tenant, requests=effect.requests, tokens=effect.tokens)

    # -- end ---------------------------------------------------------------------------------------------------------
    @property
    def is_answering(self) -> bool:
        """True while a response is under way; a drain waits for it."""
        return bool(self.machine.state.responses)

    async def flushed(self) -> None:
        """Return when all that was to be said is written."""
        await self._outbox.flushed()

    async def close(self) -> None:
        """Let go of everything: jobs, timers, audio."""
        if self._timer is not None:
            self._timer.cancel()
        self._intake.close()
        if self._reader is not None:
            self._reader.cancel()
        await self._jobs.close(self.machine.state.jobs)
        self._items.close()
