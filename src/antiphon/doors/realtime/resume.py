"""Resuming a session whose connection was lost, here or at another gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from antiphon.conversation import inputs
from antiphon.conversation.resume import greeting, greeting_id, held_refs, speakers
from antiphon.conversation.state import State
from antiphon.doors.realtime.checkpoint import Checkpointer, jobs_of
from antiphon.doors.realtime.event_sender import EventSender
from antiphon.doors.realtime.jobs import RealtimeJobs
from antiphon.doors.realtime.sent_events import events_since
from antiphon.doors.websocket.send_queue import SendQueue
from antiphon.errors import NotFound
from antiphon.ports.sessions import Saved
from antiphon.wire.entries import PipeEntry
from antiphon.wire.jobs import Job
from antiphon.wire.realtime_server import SessionCreated

_ID_GAP = 1000
"""Ids that a resumption skips: the previous gateway may be alive and still allocate some."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """The saved state from which a session continues."""

    saved: Saved
    after: int | None
    """Number of the last event that the client has; None when it does not ask for missed events."""


class Resume:
    """Resumes one session, in this order: `greeting`, `send_missed`, `replayed`, `unsubmitted_jobs`, `resumed`."""

    def __init__(
        self,
        resumption: Resumption,
        epoch: int,
        state: State,
        send_queue: SendQueue,
        sender: EventSender,
        jobs: RealtimeJobs,
        checkpointer: Checkpointer | None,
    ) -> None:
        self._saved = resumption.saved
        self._after = resumption.after
        self._epoch = epoch
        self._state = state
        self._send_queue = send_queue
        self._sender = sender
        self._jobs = jobs
        self._checkpointer = checkpointer
        self._position = 0
        """Position of the last result that the state includes and the session's pipe still has."""
        self._keeps_answers = True
        self.tail = 0
        """Position of the newest result at the start: the previous gateway may have used results up to it."""
        self.done = asyncio.Event()
        """Set as soon as the session is resumed."""

    def greeting(self) -> SessionCreated:
        """Return the event that greets the client."""
        number = self._state.counter if self._after is None else self._after
        return greeting(self._state, greeting_id(self._state, number, self._epoch))

    async def send_missed(self) -> None:
        """Read held speech from the pipe again, and send the events that the client has missed."""
        after = self._after
        self._jobs.adopt(speakers(self._state))
        missed = None if after is None else events_since(self._saved.events, after)
        held = held_refs(self._state)
        wanted = held | {event.audio.ref for event in missed or () if event.audio is not None}
        self.tail = await self._jobs.tail()
        self._position = position = min(self._saved.position, self.tail)
        has_speech = await self._sender.fetch(
            lambda start: self._jobs.results(after=start, keep=lambda: start), position, wanted
        )
        if not has_speech:  # the pipe has dropped some since
            self._sender.replace_by_silence(held)
        if position < self._saved.position:
            missed = None
            if self._checkpointer is not None:
                self._checkpointer.rewind(position)
        if missed is None or after is None:
            self._sender.skip_all()
        else:
            self._sender.known_until = after
            for event in missed:
                if self._send_queue.is_full:
                    await self._send_queue.room()
                self._sender.resend(event)
        self._keeps_answers = has_speech and missed is not None

    async def replayed(self) -> AsyncGenerator[tuple[int, PipeEntry]]:
        """Yield the results that the previous gateway may have used after its last save, if the pipe has them."""
        position = self._position
        try:
            async with aclosing(self._jobs.results(after=position, keep=lambda: self._position)) as results:
                while position < self.tail:
                    if self._send_queue.is_full:
                        await self._send_queue.room()
                    position, entry = await anext(results)
                    yield position, entry
        except (NotFound, StopAsyncIteration):
            self._keeps_answers = False

    def unsubmitted_jobs(self) -> tuple[Job, ...]:
        """Return the jobs that the previous gateway may not have submitted; submitting a job twice has no effect."""
        names = self._state.jobs
        jobs = tuple(job for job in jobs_of(self._saved.jobs) if self._jobs.name(job.id) in names)
        self._jobs.take_over(jobs)
        return jobs

    def resumed(self) -> inputs.Resumed:
        """Return the input that lets the machine continue."""
        return inputs.Resumed(self._state.counter + _ID_GAP, keeps_answers=self._keeps_answers)
