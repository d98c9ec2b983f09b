"""One realtime connection: brings frames to the machine, and carries out what the machine asks for."""

from __future__ import annotations

import asyncio
import contextvars
import math
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

import msgspec
import structlog

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
    LegChanged,
    RestartVad,
    Send,
    SendAudio,
    SendItem,
    StartAnswer,
    StartScore,
    StartSpeech,
    StartTranscription,
)
from antiphon.conversation.machine import Conversation
from antiphon.conversation.resumption import greeting, greeting_id, held_refs, number_of, speakers
from antiphon.doors.realtime.checkpoint import Keeper, Ownership, jobs_of
from antiphon.doors.realtime.intake import Intake
from antiphon.doors.realtime.jobs import RealtimeJobs
from antiphon.doors.realtime.output import Output, said_since
from antiphon.doors.server.frames import LongText
from antiphon.doors.websocket.audio import ItemAudio
from antiphon.doors.websocket.callbacks import EndsGroup
from antiphon.doors.websocket.connection import Connection
from antiphon.doors.websocket.event_rate import FloodGuard
from antiphon.doors.websocket.large_events import size_bytes
from antiphon.doors.websocket.send_queue import Outbox
from antiphon.doors.websocket.serial_tasks import Pump
from antiphon.doors.websocket.session_options import LinkLimits, LinkServices
from antiphon.entities.history import StoredItem
from antiphon.errors import NotFound
from antiphon.ports.limiter import Account, used_up
from antiphon.ports.sessions import Saved
from antiphon.wire import realtime_codec
from antiphon.wire.event_decoder import BadEvent
from antiphon.wire.jobs import AudioReady, Job, JobFailed, PipeEntry, ScoreReady
from antiphon.wire.realtime_response import Response, ResponseError, StatusDetails
from antiphon.wire.realtime_server import TAKEN_OVER, Error, ErrorDetail, Leg, ResponseDone, ServerMessage

_log = structlog.get_logger(__name__)

_TICK_S = 0.01
"""Ticks of all sessions fall together on multiples of this: waking for each costs more than what it does then."""

_RESULTS_GONE = 1001
"""Close code of a session that was cleared away, though its client was there: it is over."""
_LOST_CODES = frozenset({1006, 1011, 1012})
"""Nothing more came, no pong came, the server goes down: the session may be taken up."""
_ID_GAP = 1000
"""Ids that are left out when a session is taken up: a door that is only thought dead may still give some out."""

_PACED_PIECE_BYTES = 40 * 48
"""Speech that is sent at the pace of listening leaves in pieces of 40 ms: the lead is kept to one of them."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """What a lost connection's session goes on from."""

    saved: Saved
    after: int | None
    """Number of the last event that the client has; None when it asks for nothing that it has missed."""
    done: asyncio.Event = field(default_factory=asyncio.Event)
    """Set as soon as the session is where it was."""


@dataclass(frozen=True, slots=True)
class _Command:
    """Something for the bus, once what led to it is saved."""

    gate: int
    effect: CancelJob | None = None
    jobs: tuple[Job, ...] = ()


class Link:
    """Drives one `Conversation`. Everything but jobs and writing happens at once, in the order of the inputs.

    With ``owned`` its state is saved as it goes; what a client could notice waits until it is.
    """

    def __init__(
        self,
        machine: Conversation,
        services: LinkServices,
        limits: LinkLimits,
        group: asyncio.TaskGroup,
        connection: Connection,
        *,
        account: Account,
        session_id: str,
        epoch: int,
        owned: Ownership | None = None,
        take_back: Callable[[int], Awaitable[bool]] | None = None,
        resumption: Resumption | None = None,
    ) -> None:
        self.machine = machine
        self._context = contextvars.copy_context()
        """Of the connection: what a callback leads to belongs to its trace."""
        self._epoch = epoch
        self._resumption = resumption
        self._is_closed = False
        self._replays = False
        """True while the door before us has perhaps worked in the same results."""
        self._services = services
        self._limits = limits
        self._group = group
        self._connection = connection
        self._account = account
        self._session_id = session_id
        self._clock = services.clock
        self._outbox = Outbox(group, connection, limit_bytes=limits.max_queue_bytes, stall_s=limits.stall_s)
        self._jobs = RealtimeJobs(
            services.bus,
            services.clock,
            account.tenant,
            session_id,
            timeout_s=services.job_timeout_s,
            on_refused=self._refused,
        )
        self._keeper: Keeper | None = None
        if owned is not None and take_back is not None:
            self._keeper = Keeper(
                owned,
                group,
                self._outbox,
                state=lambda: self.machine.state,
                pending=self._jobs.pending.values,
                take_back=take_back,
                saved=resumption.saved.items if resumption is not None else (),
                position=resumption.saved.position if resumption is not None else 0,
                begun=resumption is not None,
            )
        self._commands: Pump[_Command] = Pump(group, f"jobs {session_id}", self._command)
        self._intake = Intake(self, services.vad, services.large_events, max_append_bytes=limits.max_append_bytes)
        self._ends_group = EndsGroup(group)
        self._items = ItemAudio(limits.spill_dir)
        self._unsent: list[inputs.Unsent] = []
        self._output = Output(
            self._outbox,
            self._items,
            piece_bytes=_PACED_PIECE_BYTES if machine.state.rules.pace else 0,
            number_of=lambda event_id: number_of(event_id, machine.state.seed) or 0,
            note=self._keeper.said if self._keeper is not None else None,
        )
        self._reader: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._flood = FloodGuard(services.clock, limits.events_per_s)
        self._is_limited = False

    # -- inputs ------------------------------------------------------------------------------------------------------
    def open(self) -> None:
        """Greet the client."""
        self._is_limited = bool(self._services.limiter.allowances(self._account))
        if self._resumption is None:
            self.tell(inputs.Opened())
        else:
            state, after = self.machine.state, self._resumption.after
            event_id = greeting_id(state, state.counter if after is None else after, self._epoch)
            self._outbox.put(realtime_codec.encode(greeting(state, event_id)))
            self._read()

    def tell(self, event: inputs.AnyInput, *, is_result: bool = False) -> None:
        """Work one input in and carry out what follows; ``is_result`` says that the session's pipe has it."""
        if self._is_closed:
            return
        now = self._clock.wall()
        if self._is_limited:  # limits recover with time, and other sessions use them up as well
            left = self._services.limiter.allowances(self._account)
            self._carry_out_all(self.machine.receive(inputs.AllowanceChanged(left), now))
        self._step(event, now, is_result=is_result)
        while self._unsent:
            self._step(self._unsent.pop(), now)
        self._connection.rest()
        if self._replays:  # the door before has saved the ticks that did something
            return
        while (at := self.machine.wake_at(now)) <= now and not self.machine.state.closed:
            self._step(inputs.Tick(), now)
        self._arm(at, now)

    def _step(self, event: inputs.AnyInput, now: float, *, is_result: bool = False) -> bool:
        """Give the machine one input and carry out what follows; False when nothing does."""
        before = self.machine.state.counter
        effects = self.machine.receive(event, now)
        if self._keeper is not None and (effects or is_result):
            self._keeper.step(effects, self.machine.state.counter - before, is_result=is_result)
        self._carry_out_all(effects)
        return bool(effects)

    async def frame(self, frame: str | LongText | bytes | None) -> None:
        """Take one frame of the client."""
        if self._resumption is not None:
            await self._resumption.done.wait()
        await self._flood.hold()
        if self._outbox.is_held:  # many events at once: what they lead to has to be saved now and then
            await self._outbox.room()
        if not isinstance(frame, str | LongText):
            self._refuse("Binary frames are not part of this protocol; send JSON text.", "invalid_event", None, None)
        elif (size := size_bytes(frame)) > self._limits.max_frame_bytes:
            self._refuse(
                f"The event has {size} bytes; the most is {self._limits.max_frame_bytes}.",
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
        now, is_accepted = self._clock.wall(), self.machine.has_room(event.ticks)
        if self._step(event, now):
            self._arm(self.machine.wake_at(now), now)
        return is_accepted

    def tell_from_callback(self, event: inputs.AnyInput) -> None:
        """As `tell`, outside of the connection's tasks: what goes wrong ends this connection, and no other."""
        with self._ends_group:
            self._context.copy().run(self.tell, event)

    def see(self, legs: Mapping[Leg, bool]) -> None:
        """Tell the conversation what it does not know yet of what the server stands on."""
        if self._resumption is not None:  # it has to become what it was first
            return
        for leg, works in legs.items():
            if (leg in self.machine.state.down) == works:
                self.tell_from_callback(inputs.LegSeen(leg, is_down=not works))

    def _refuse(self, text: str, code: str | None, param: str | None, event_id: str | None) -> None:
        """Answer what never reached the machine."""
        detail = ErrorDetail("invalid_request_error", code, text, param, event_id)
        self._services.metrics.error("realtime", detail.type)
        error = Error(event_id=self.machine.new_event_id(), error=detail)
        if self._keeper is not None:
            self._keeper.step((), 1, is_result=False)
        self._output.send(error)

    # -- results -----------------------------------------------------------------------------------------------------
    def _read(self) -> None:
        if self._reader is None:
            self._reader = self._group.create_task(self._read_results(), name=f"results {self._session_id}")

    async def _read_results(self) -> None:
        """Bring the workers' results to the machine, no faster than the client reads."""
        after = 0
        if self._resumption is not None:
            after = await self._take_up(self._resumption)
            self._resumption.done.set()
            self._resumption = None
        keep = self._keeper.needed if self._keeper is not None else None
        async with aclosing(self._jobs.results(after=after, keep=keep)) as results:
            async for position, entry in results:
                if self._outbox.is_full:
                    await self._outbox.room()
                await self._result(position, entry)
                if self._keeper is not None and self._keeper.is_behind:
                    await self._keeper.saved(self._keeper.gate)
        if not self._is_closed:  # nothing more would ever come
            self._connection.hang_up(_RESULTS_GONE, "the session's results are gone")

    async def _result(self, position: int, entry: PipeEntry) -> None:
        if isinstance(entry, AudioReady):
            name, text = self._jobs.name(entry.job_id), entry.text
            for ref, ticks in self._output.take(position, entry):
                self.tell(inputs.AudioMade(name, ref, ticks, text), is_result=True)
                text = ""
        elif not (self._replays and isinstance(entry, ScoreReady)):  # the turn it is about is lost with its audio
            event = self._jobs.as_input(entry)
            if event is not None:  # a score ends a turn, whose audio is here and not in the pipe
                self.tell(event, is_result=not isinstance(entry, ScoreReady))
        if self._keeper is not None:
            self._keeper.result(position, len(entry.audio) if isinstance(entry, AudioReady) else 0)
        await self._jobs.settled(entry)

    def _refused(self, failure: JobFailed) -> None:
        """No queue took a job."""
        event = self._jobs.as_input(failure)
        if event is not None:
            self.tell(event)

    # -- resuming ----------------------------------------------------------------------------------------------------
    async def _take_up(self, resumption: Resumption) -> int:
        """Say again what the client has missed, and go on; returns up to where the session's pipe was worked in."""
        saved, after, state = resumption.saved, resumption.after, self.machine.state
        self._jobs.adopt(speakers(state))
        missed = None if after is None else said_since(saved.events, after)
        held = held_refs(state)
        wanted = held | {said.audio.ref for said in missed or () if said.audio is not None}
        tail = await self._jobs.tail()
        position = min(saved.position, tail)
        has_speech = await self._output.fetch(
            lambda start: self._jobs.results(after=start, keep=lambda: start), position, wanted
        )
        if not has_speech:  # too much was spoken since
            self._output.give_up(held)
        if position < saved.position:
            missed = None
            if self._keeper is not None:
                self._keeper.rewind(position)
        if missed is None or after is None:
            self._output.know_all()
        else:
            self._output.known_until = after
            for said in missed:
                if self._outbox.is_full:
                    await self._outbox.room()
                self._output.say_again(said)
        is_whole = await self._replay(position, tail)
        self._output.known_until = 0
        self._submit_again(saved)
        keeps_answers = is_whole and has_speech and missed is not None
        self.tell(inputs.Resumed(self.machine.state.counter + _ID_GAP, keeps_answers=keeps_answers))
        return tail

    async def _replay(self, after: int, tail: int) -> bool:
        """Work in what the door before us has perhaps worked in as well; False when the pipe does not hold it."""
        self._replays = True
        try:
            async with aclosing(self._jobs.results(after=after, keep=lambda: after)) as results:
                position = after
                while position < tail:
                    if self._outbox.is_full:
                        await self._outbox.room()
                    position, entry = await anext(results)
                    await self._result(position, entry)
        except (NotFound, StopAsyncIteration):
            return False
        finally:
            self._replays = False
        return True

    def _submit_again(self, saved: Saved) -> None:
        """Submit jobs that the door before us perhaps did not; what a queue knows already changes nothing."""
        names = self.machine.state.jobs
        jobs = tuple(job for job in jobs_of(saved.jobs) if self._jobs.name(job.id) in names)
        if jobs:
            self._jobs.take_over(jobs)
            self._commands.put(_Command(self._gate, jobs=jobs))

    # -- time --------------------------------------------------------------------------------------------------------
    def _arm(self, at: float, now: float) -> None:
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
                self._output.send(effect.event)
                self._count_refusal(effect.event)
            case SendAudio():
                self._output.send_audio(effect)
            case EndSpeech():
                self._output.end_speech(effect)
            case DropSpeech():
                self._output.drop(effect.ref)
            case SendItem():
                self._output.send_item(effect)
            case Fence():
                self._fence(effect)
            case StartTranscription() | StartScore() | StartAnswer() | StartSpeech() | CancelJob():
                self._start(effect)
            case Keep():
                self._keep(effect)
            case Charge() | LegChanged():
                self._count(effect)
            case Close():
                self._connection.hang_up(effect.code, effect.reason)
            case _:
                self._keep_audio(effect)

    def _fence(self, effect: Fence) -> None:
        unsent = self._output.fence(effect)
        if unsent is not None:
            self._unsent.append(unsent)

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

    def _start(self, effect: StartTranscription | StartScore | StartAnswer | StartSpeech | CancelJob) -> None:
        """Make a job of the audio that there is now, and hand it out in order."""
        self._read()
        match effect:
            case StartTranscription() if effect.item_id and not effect.end:
                command = _Command(self._gate, jobs=self._jobs.listening(effect, self._items.clip(effect.item_id)))
            case StartTranscription() | StartScore():
                clip = self._intake.buffer.clip(effect.start, effect.end)
                command = _Command(self._gate, jobs=self._jobs.listening(effect, clip))
            case StartAnswer():
                command = _Command(self._gate, jobs=self._jobs.answering(effect))
            case StartSpeech():
                command = _Command(self._gate, jobs=self._jobs.speaking(effect))
            case _:
                command = _Command(self._gate, effect)
        self._commands.put(command)

    @property
    def _gate(self) -> int:
        return self._keeper.gate if self._keeper is not None else 0

    async def _command(self, command: _Command) -> None:
        if self._keeper is not None:
            await self._keeper.saved(command.gate)
        for job in command.jobs:
            await self._jobs.submit(job)
        if command.effect is not None:
            await self._jobs.cancel(command.effect.job_id)

    def _keep(self, effect: Keep) -> None:
        content = b"" if effect.item is None else msgspec.json.encode(effect.item)
        self._services.keep(
            StoredItem(
                tenant=self._account.tenant,
                session_id=self._session_id,
                item_id=effect.item_id,
                position=effect.position,
                revision=effect.revision,
                content=content,
                created_at=self._clock.wall(),
                deleted=effect.item is None,
            )
        )

    def _count(self, effect: Charge | LegChanged) -> None:
        if isinstance(effect, Charge):
            self._services.limiter.charge(self._account, requests=effect.requests, tokens=effect.tokens)
            return
        if self._replays:  # the door before us has counted it
            return
        self._services.metrics.leg(effect.leg, is_down=effect.is_down)
        if effect.is_down:
            _log.warning("degraded", leg=effect.leg, mode=effect.mode)
        else:
            _log.info("recovered", leg=effect.leg, mode=effect.mode)

    def _count_refusal(self, event: ServerMessage) -> None:
        match event:
            case Error():
                self._services.metrics.error("realtime", event.error.type)
                is_limit = event.error.code == "rate_limit_exceeded"
            case ResponseDone(response=Response(status_details=StatusDetails(error=ResponseError(code=code)))):
                is_limit = code == "inference_rate_limit_exceeded"
            case _:
                return
        reached = used_up(self.machine.state.allowances)
        if is_limit and reached is not None:
            self._services.metrics.rate_limited(reached.name)

    # -- end ---------------------------------------------------------------------------------------------------------
    @property
    def may_return(self) -> bool:
        """True when somebody may take the session up, here or elsewhere: its work goes on."""
        if self._keeper is None:
            return False
        code = self._connection.code
        return self._keeper.is_lost or code == TAKEN_OVER or (self._keeper.begun and code in _LOST_CODES)

    @property
    def is_answering(self) -> bool:
        """True while a response is under way; a drain waits for it."""
        return bool(self.machine.state.responses)

    async def flushed(self) -> None:
        """Return when all that was to be said is written."""
        await self._outbox.flushed()

    async def close(self) -> None:
        """Let go of everything: jobs, timers, audio."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._intake.close()
        if self._reader is not None:
            self._reader.cancel()
        if self.may_return:
            self._commands.cancel()
        if self._keeper is not None:
            self._keeper.close()
        if not self.may_return:
            await self._jobs.close(self.machine.state.jobs)
        self._items.close()
        self._output.close()
