"""One realtime session: gives frames and results to the machine, and carries out its effects."""

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
from antiphon.doors.realtime.event_sender import EventSender
from antiphon.doors.realtime.intake import Intake
from antiphon.doors.realtime.jobs import RealtimeJobs
from antiphon.doors.realtime.resume import Resume, Resumption
from antiphon.doors.server.frames import LongText
from antiphon.doors.websocket.audio import ItemAudio
from antiphon.doors.websocket.callbacks import FailGroupOnError
from antiphon.doors.websocket.connection import Connection
from antiphon.doors.websocket.event_rate import EventRateLimiter
from antiphon.doors.websocket.large_events import size_bytes
from antiphon.doors.websocket.send_queue import SendQueue
from antiphon.doors.websocket.session_history import SessionHistory
from antiphon.doors.websocket.session_options import SessionLimits, SessionServices
from antiphon.ports.limiter import Account
from antiphon.wire import realtime_codec
from antiphon.wire.entries import AudioReady, JobFailed, PipeEntry, ScoreReady
from antiphon.wire.event_decoder import BadEvent
from antiphon.wire.realtime_server import TAKEN_OVER, Component, Error, ErrorDetail

_TICK_S = 0.01
"""Timers of all sessions are rounded up to multiples of this: one wake-up then serves many of them."""

_RESULTS_GONE = 1001
"""Close code of a session whose pipe is gone although its client is connected: it is over."""
_LOST_CODES = frozenset({1006, 1011, 1012})
"""Connection lost, ping timed out, server going down: the session may be resumed."""


class RealtimeConnection:
    """Drives one `Conversation`. All but jobs and writing happens at once, in the order of the inputs.

    With ``lease`` its state is saved, and output that a client could notice waits for the save.
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
        history: SessionHistory,
        lease: SessionLease | None = None,
        resumption: Resumption | None = None,
    ) -> None:
        self.machine = machine
        self._context = contextvars.copy_context()
        """Context of the connection, for callbacks: their work belongs to its trace."""
        self._is_closed = False
        self._services = services
        self._limits = limits
        self._group = group
        self._connection = connection
        self._account = account
        self._session_id = session_id = history.session_id
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
        if lease is not None:
            self._checkpointer = Checkpointer(
                lease, group, connection, self._send_queue, state, self._jobs.pending, saved
            )
        self._intake = Intake(
            machine, services.vad, services.large_events, limits.max_append_bytes, on_score=self.tell_from_callback
        )
        items = ItemAudio(limits.spill_dir)
        self._sender = EventSender(self._send_queue, items, self._checkpointer, state)
        self._effects = EffectHandler(
            services, connection, group, self._intake, self._sender, self._jobs, self._checkpointer, account, history
        )
        self._resume: Resume | None = None
        """Set until the session is resumed."""
        if resumption is not None:
            self._resume = Resume(
                resumption, history.epoch, state, self._send_queue, self._sender, self._jobs, self._checkpointer
            )
        self._fail_group = FailGroupOnError(group)
        self._reader: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._event_rate = EventRateLimiter(services.clock, limits.events_per_s)
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
        """Give the machine one input and carry out its effects; ``is_result``: the session's pipe holds the input."""
        if self._is_closed:
            return
        now = self._services.clock.wall()
        if self._is_limited:  # they change with time and with other sessions
            left = self._services.limiter.allowances(self._account)
            self._carry_out(self.machine.receive(inputs.AllowanceChanged(left), now))
        self._step(event, now, is_result=is_result)
        while self._effects.unsent:
            self._step(self._effects.unsent.pop(), now)
        self._connection.rest()
        if self._effects.replays:  # the previous gateway has saved the ticks that had effects
            return
        while (at := self.machine.wake_at(now)) <= now and not self.machine.state.closed:
            self._step(inputs.Tick(), now)
        self._arm(at, now)

    def _step(self, event: inputs.AnyInput, now: float, *, is_result: bool = False) -> bool:
        """Give the machine one input and carry out its effects; False when it has none."""
        before = self.machine.state.counter
        effects = self.machine.receive(event, now)
        if self._checkpointer is not None and (effects or is_result):
            self._checkpointer.step(effects, self.machine.state.counter - before, is_result=is_result)
        self._carry_out(effects)
        return bool(effects)

    def _carry_out(self, effects: list[Effect]) -> None:
        self._effects.carry_out(effects)
        if self._jobs.pending:  # their results must be read
            self._read()

    async def frame(self, frame: str | LongText | bytes | None) -> None:
        """Take one frame of the client."""
        if self._resume is not None:
            await self._resume.done.wait()
        await self._event_rate.hold()
        if self._send_queue.is_held:  # many events at once: their effects wait for a save
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
                await self._intake.take(frame, self._receive)
            except BadEvent as bad:
                self._refuse(bad.message, bad.code, bad.param, bad.event_id)

    def _receive(self, event: inputs.Received | inputs.AudioAppended) -> None:
        """Give the machine a client's input; appended audio seldom has effects, and takes a shorter path."""
        if not isinstance(event, inputs.AudioAppended):
            self.tell(event)
            return
        now = self._services.clock.wall()
        if self._step(event, now):
            self._arm(self.machine.wake_at(now), now)

    def tell_from_callback(self, event: inputs.AnyInput) -> None:
        """As `tell`, outside of the connection's tasks: an exception ends this connection only."""
        with self._fail_group:
            self._context.copy().run(self.tell, event)

    def see(self, components: Mapping[Component, bool]) -> None:
        """Tell the conversation which of the server's components have failed or recovered."""
        if self._resume is not None:  # it is being resumed
            return
        for component, works in components.items():
            if (component in self.machine.state.down) == works:
                self.tell_from_callback(inputs.ComponentSeen(component, is_down=not works))

    def _refuse(self, text: str, code: str | None, param: str | None, event_id: str | None) -> None:
        """Send an error for a frame that did not reach the machine."""
        detail = ErrorDetail("invalid_request_error", code, text, param, event_id)
        self._services.metrics.error("realtime", detail.type)
        error = Error(event_id=self.machine.new_event_id(), error=detail)
        if self._checkpointer is not None:
            self._checkpointer.step((), 1, is_result=False)
        self._sender.send(error)

    # -- results -----------------------------------------------------------------------------------------------------
    def _read(self) -> None:
        if self._reader is None:
            self._reader = self._group.create_task(self._read_results(), name=f"results {self._session_id}")

    async def _read_results(self) -> None:
        """Give the workers' results to the machine, no faster than the client reads."""
        after = 0
        if self._resume is not None:
            after = await self._resume_from(self._resume)
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
        if not self._is_closed:  # no further result can come
            self._connection.hang_up(_RESULTS_GONE, "the session's results are gone")

    async def _result(self, position: int, entry: PipeEntry) -> None:
        if isinstance(entry, AudioReady):
            name, text = self._jobs.name(entry.job_id), entry.text
            for ref, ticks in self._sender.take(position, entry):
                self.tell(inputs.AudioMade(name, ref, ticks, text), is_result=True)
                text = ""
        elif not (isinstance(entry, ScoreReady) and self._effects.replays):  # the turn is lost with its audio
            event = self._jobs.as_input(entry)
            if event is not None:  # a score ends a turn, whose audio is not in the pipe
                self.tell(event, is_result=not isinstance(entry, ScoreReady))
        if self._checkpointer is not None:
            self._checkpointer.result(position, len(entry.audio) if isinstance(entry, AudioReady) else 0)
        await self._jobs.finished(entry)

    def _refused(self, failure: JobFailed) -> None:
        """Tell the machine of a job that no queue accepted."""
        event = self._jobs.as_input(failure)
        if event is not None:
            self.tell(event)

    async def _resume_from(self, resume: Resume) -> int:
        """Resume the session; returns the position of the last result that its state includes."""
        await resume.send_missed()
        self._effects.replays = True
        try:
            async with aclosing(resume.replayed()) as results:
                async for position, entry in results:
                    await self._result(position, entry)
        finally:
            self._effects.replays = False
        self._sender.known_until = 0
        if jobs := resume.unsubmitted_jobs():
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
        """True when the session may be resumed, here or elsewhere; its jobs continue."""
        if self._checkpointer is None:
            return False
        code = self._connection.code
        return self._checkpointer.is_lost or code == TAKEN_OVER or (self._checkpointer.begun and code in _LOST_CODES)

    @property
    def is_answering(self) -> bool:
        """True while a response is under way; a drain waits for it."""
        return bool(self.machine.state.responses)

    async def flushed(self) -> None:
        """Return when all queued frames are written."""
        await self._send_queue.flushed()

    async def close(self) -> None:
        """Release everything: jobs, timers, audio."""
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
        self._sender.close()
