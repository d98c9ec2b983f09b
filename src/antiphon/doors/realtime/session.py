"""One realtime connection: brings frames to the machine, and has what it asks for carried out."""

from __future__ import annotations

import asyncio
import contextvars
import math
from collections.abc import Mapping
from contextlib import aclosing

from antiphon.conversation import inputs
from antiphon.conversation.effects import Effect
from antiphon.conversation.machine import Conversation
from antiphon.doors.realtime.checkpoint import Checkpointer, SessionLease
from antiphon.doors.realtime.effects import EffectHandler
from antiphon.doors.realtime.intake import Intake
from antiphon.doors.realtime.jobs import RealtimeJobs
from antiphon.doors.realtime.output import EventSender
from antiphon.doors.realtime.resume import Resume, Resumption
from antiphon.doors.server.frames import LongText
from antiphon.doors.websocket.audio import ItemAudio
from antiphon.doors.websocket.callbacks import FailGroupOnError
from antiphon.doors.websocket.connection import Connection
from antiphon.doors.websocket.event_rate import EventRateLimiter
from antiphon.doors.websocket.large_events import size_bytes
from antiphon.doors.websocket.send_queue import SendQueue
from antiphon.doors.websocket.session_options import SessionLimits, SessionServices
from antiphon.ports.limiter import Account
from antiphon.wire import realtime_codec
from antiphon.wire.event_decoder import BadEvent
from antiphon.wire.jobs import AudioReady, JobFailed, PipeEntry, ScoreReady
from antiphon.wire.realtime_server import TAKEN_OVER, Component, Error, ErrorDetail

_TICK_S = 0.01
"""Ticks of all sessions fall together on multiples of this: waking for each costs more than what it does then."""

_RESULTS_GONE = 1001
"""Close code of a session that was cleared away, though its client was there: it is over."""
_LOST_CODES = frozenset({1006, 1011, 1012})
"""Nothing more came, no pong came, the server goes down: the session may be resumed."""


class RealtimeSession:
    """Drives one `Conversation`. Everything but jobs and writing happens at once, in the order of the inputs.

    With ``owned`` its state is saved as it goes; what a client could notice waits until it is.
    """

    def __init__(
        self,
        machine: Conversation,
        services: SessionServices,
        limits: SessionLimits,
        group: asyncio.TaskGroup,
        connection: Connection,
        *,
        account: Account,
        session_id: str,
        epoch: int,
        owned: SessionLease | None = None,
        resumption: Resumption | None = None,
    ) -> None:
        self.machine = machine
        self._context = contextvars.copy_context()
        """Of the connection: what a callback leads to belongs to its trace."""
        self._is_closed = False
        self._services = services
        self._limits = limits
        self._group = group
        self._connection = connection
        self._account = account
        self._session_id = session_id
        self._send_queue = SendQueue(group, connection, limit_bytes=limits.max_queue_bytes, stall_s=limits.stall_s)
        self._jobs = RealtimeJobs(
            services.bus,
            services.clock,
            account.tenant,
            session_id,
            timeout_s=services.job_timeout_s,
            on_refused=self._refused,
        )
        state, saved = machine.state, resumption.saved if resumption is not None else None
        self._checkpointer: Checkpointer | None = None
        if owned is not None:
            self._checkpointer = Checkpointer(
                owned, group, connection, self._send_queue, state, self._jobs.pending, saved
            )
        self._intake = Intake(
            machine, services.vad, services.large_events, limits.max_append_bytes, heard=self.tell_from_callback
        )
        items = ItemAudio(limits.spill_dir)
        self._output = EventSender(self._send_queue, items, self._checkpointer, state)
        self._effects = EffectHandler(
            services, connection, group, self._intake, self._output, self._jobs, self._checkpointer, account, session_id
        )
        self._resume: Resume | None = None
        """While the session is not yet where it was."""
        if resumption is not None:
            self._resume = Resume(
                resumption, epoch, state, self._send_queue, self._output, self._jobs, self._checkpointer
            )
        self._ends_group = FailGroupOnError(group)
        self._reader: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._flood = EventRateLimiter(services.clock, limits.events_per_s)
        self._is_limited = False

    # -- inputs ------------------------------------------------------------------------------------------------------
    def open(self) -> None:
        """Greet the client."""
        self._is_limited = bool(self._services.limiter.allowances(self._account))
        if self._resume is None:
            self.tell(inputs.Opened())
        else:
            self._send_queue.put(realtime_codec.encode(self._resume.greeting()))
            self._read()

    def tell(self, event: inputs.AnyInput, *, is_result: bool = False) -> None:
        """Work one input in and carry out what follows; ``is_result`` says that the session's pipe has it."""
        if self._is_closed:
            return
        now = self._services.clock.wall()
        if self._is_limited:  # limits recover with time, and other sessions use them up as well
            left = self._services.limiter.allowances(self._account)
            self._carry_out(self.machine.receive(inputs.AllowanceChanged(left), now))
        self._step(event, now, is_result=is_result)
        while self._effects.unsent:
            self._step(self._effects.unsent.pop(), now)
        self._connection.rest()
        if self._effects.replays:  # the gateway before us has saved the ticks that did something
            return
        while (at := self.machine.wake_at(now)) <= now and not self.machine.state.closed:
            self._step(inputs.Tick(), now)
        self._arm(at, now)

    def _step(self, event: inputs.AnyInput, now: float, *, is_result: bool = False) -> bool:
        """Give the machine one input and carry out what follows; False when nothing does."""
        before = self.machine.state.counter
        effects = self.machine.receive(event, now)
        if self._checkpointer is not None and (effects or is_result):
            self._checkpointer.step(effects, self.machine.state.counter - before, is_result=is_result)
        self._carry_out(effects)
        return bool(effects)

    def _carry_out(self, effects: list[Effect]) -> None:
        self._effects.carry_out(effects)
        if self._jobs.pending:  # somebody has to read what they bring
            self._read()

    async def frame(self, frame: str | LongText | bytes | None) -> None:
        """Take one frame of the client."""
        if self._resume is not None:
            await self._resume.done.wait()
        await self._flood.hold()
        if self._send_queue.is_held:  # many events at once: what they lead to has to be saved now and then
            await self._send_queue.room()
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
                await self._intake.take(frame, self._work_in)
            except BadEvent as bad:
                self._refuse(bad.message, bad.code, bad.param, bad.event_id)

    def _work_in(self, event: inputs.Received | inputs.AudioAppended) -> None:
        """Work in what the client sent; that audio has come seldom leads to anything."""
        if not isinstance(event, inputs.AudioAppended):
            self.tell(event)
            return
        now = self._services.clock.wall()
        if self._step(event, now):
            self._arm(self.machine.wake_at(now), now)

    def tell_from_callback(self, event: inputs.AnyInput) -> None:
        """As `tell`, outside of the connection's tasks: what goes wrong ends this connection, and no other."""
        with self._ends_group:
            self._context.copy().run(self.tell, event)

    def see(self, components: Mapping[Component, bool]) -> None:
        """Tell the conversation what it does not know yet of what the server stands on."""
        if self._resume is not None:  # it has to become what it was first
            return
        for component, works in components.items():
            if (component in self.machine.state.down) == works:
                self.tell_from_callback(inputs.ComponentSeen(component, is_down=not works))

    def _refuse(self, text: str, code: str | None, param: str | None, event_id: str | None) -> None:
        """Answer what never reached the machine."""
        detail = ErrorDetail("invalid_request_error", code, text, param, event_id)
        self._services.metrics.error("realtime", detail.type)
        error = Error(event_id=self.machine.new_event_id(), error=detail)
        if self._checkpointer is not None:
            self._checkpointer.step((), 1, is_result=False)
        self._output.send(error)

    # -- results -----------------------------------------------------------------------------------------------------
    def _read(self) -> None:
        if self._reader is None:
            self._reader = self._group.create_task(self._read_results(), name=f"results {self._session_id}")

    async def _read_results(self) -> None:
        """Bring the workers' results to the machine, no faster than the client reads."""
        after = 0
        if self._resume is not None:
            after = await self._take_up(self._resume)
            self._resume.done.set()
            self._resume = None
        keep = self._checkpointer.needed if self._checkpointer is not None else None
        async with aclosing(self._jobs.results(after=after, keep=keep)) as results:
            async for position, entry in results:
                if self._send_queue.is_full:
                    await self._send_queue.room()
                await self._result(position, entry)
                if self._checkpointer is not None and self._checkpointer.is_behind:
                    await self._checkpointer.saved(self._checkpointer.gate)
        if not self._is_closed:  # nothing more would ever come
            self._connection.hang_up(_RESULTS_GONE, "the session's results are gone")

    async def _result(self, position: int, entry: PipeEntry) -> None:
        if isinstance(entry, AudioReady):
            name, text = self._jobs.name(entry.job_id), entry.text
            for ref, ticks in self._output.take(position, entry):
                self.tell(inputs.AudioMade(name, ref, ticks, text), is_result=True)
                text = ""
        elif not (isinstance(entry, ScoreReady) and self._effects.replays):  # its turn is lost with the audio
            event = self._jobs.as_input(entry)
            if event is not None:  # a score ends a turn, whose audio is here and not in the pipe
                self.tell(event, is_result=not isinstance(entry, ScoreReady))
        if self._checkpointer is not None:
            self._checkpointer.result(position, len(entry.audio) if isinstance(entry, AudioReady) else 0)
        await self._jobs.finished(entry)

    def _refused(self, failure: JobFailed) -> None:
        """No queue took a job."""
        event = self._jobs.as_input(failure)
        if event is not None:
            self.tell(event)

    async def _take_up(self, resume: Resume) -> int:
        """Bring the session to where it was; returns up to where the session's pipe was worked in."""
        await resume.say_missed()
        self._effects.replays = True
        try:
            async with aclosing(resume.replayed()) as results:
                async for position, entry in results:
                    await self._result(position, entry)
        finally:
            self._effects.replays = False
        self._output.known_until = 0
        if jobs := resume.jobs_again():
            self._effects.submit(jobs)
        self.tell(resume.resumed())
        return resume.tail

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

    # -- end ---------------------------------------------------------------------------------------------------------
    @property
    def may_return(self) -> bool:
        """True when the session may be resumed, here or elsewhere: its work continues."""
        if self._checkpointer is None:
            return False
        code = self._connection.code
        return self._checkpointer.is_lost or code == TAKEN_OVER or (self._checkpointer.begun and code in _LOST_CODES)

    @property
    def is_answering(self) -> bool:
        """True while a response is under way; a drain waits for it."""
        return bool(self.machine.state.responses)

    async def flushed(self) -> None:
        """Return when all that was to be said is written."""
        await self._send_queue.flushed()

    async def close(self) -> None:
        """Let go of everything: jobs, timers, audio."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._intake.close()
        if self._reader is not None:
            self._reader.cancel()
        if self.may_return:
            self._effects.drop_commands()
        if self._checkpointer is not None:
            self._checkpointer.close()
        if not self.may_return:
            await self._jobs.close(self.machine.state.jobs)
        self._output.close()
