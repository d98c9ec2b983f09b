"""Carries out the machine's effects: events, speech, audio of items, jobs, history, limits and metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from antiphon.conversation import inputs
from antiphon.conversation.effects import (
    AdoptAudio,
    CancelJob,
    Charge,
    Close,
    CommitAudio,
    ComponentChanged,
    CutAudio,
    DropSpeech,
    Effect,
    EndSpeech,
    Fence,
    ForgetAudio,
    ForgetInput,
    PersistItem,
    Report,
    RestartVad,
    Send,
    SendAudio,
    SendItem,
    StartAnswer,
    StartScore,
    StartSpeech,
    StartTranscription,
)
from antiphon.doors.realtime.checkpoint import Checkpointer
from antiphon.doors.realtime.event_sender import EventSender
from antiphon.doors.realtime.history import ConversationHistory
from antiphon.doors.realtime.intake import Intake
from antiphon.doors.realtime.jobs import RealtimeJobs
from antiphon.doors.websocket.connection import Connection
from antiphon.doors.websocket.serial_tasks import SerialTasks
from antiphon.doors.websocket.session_history import SessionHistory
from antiphon.doors.websocket.session_options import SessionServices
from antiphon.ports.limiter import Account, used_up
from antiphon.wire.jobs import Job
from antiphon.wire.realtime_response import Response, ResponseError, StatusDetails
from antiphon.wire.realtime_server import Error, ResponseDone, ServerMessage

_log = structlog.get_logger(__name__)

_AudioEffect = CommitAudio | ForgetInput | RestartVad | AdoptAudio | CutAudio | ForgetAudio
_JobEffect = StartTranscription | StartScore | StartAnswer | StartSpeech | CancelJob


@dataclass(frozen=True, slots=True)
class _Command:
    """A request to the bus, which waits until the state behind it is saved."""

    gate: int
    effect: CancelJob | None = None
    jobs: tuple[Job, ...] = ()


class EffectHandler:
    """Carries out the effects of one conversation, in order; a task sends requests to the bus."""

    def __init__(
        self,
        services: SessionServices,
        connection: Connection,
        group: asyncio.TaskGroup,
        intake: Intake,
        sender: EventSender,
        jobs: RealtimeJobs,
        checkpointer: Checkpointer | None,
        account: Account,
        history: SessionHistory,
    ) -> None:
        """Without a ``checkpointer``, commands do not wait for a save."""
        self._services = services
        self._connection = connection
        self._history = ConversationHistory(history)
        self._account = account
        self._intake = intake
        self._sender = sender
        self._jobs = jobs
        self._checkpointer = checkpointer
        self._commands: SerialTasks[_Command] = SerialTasks(group, f"jobs {history.session_id}", self._command)
        self.unsent: list[inputs.Unsent] = []
        """Inputs for the machine about speech that was cut off."""
        self.replays = False
        """True while results are replayed that the previous gateway may have counted: they are not counted again."""

    def carry_out(self, effects: Sequence[Effect]) -> None:
        """Carry out the effects of one input."""
        for effect in effects:
            self._carry_out(effect)
        self._history.flush()

    def submit(self, jobs: tuple[Job, ...]) -> None:
        """Submit jobs after all earlier commands."""
        self._commands.put(_Command(self._gate, jobs=jobs))

    def drop_commands(self) -> None:
        """Cancel all commands that wait."""
        self._commands.cancel()

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Send():
                self._sender.send(effect.event)
                self._count_refusal(effect.event)
                if isinstance(effect.event, ResponseDone):
                    self._history.answered(effect.event.response)
            case SendAudio():
                self._sender.send_audio(effect)
            case EndSpeech():
                self._sender.end_speech(effect)
            case DropSpeech():
                self._sender.drop(effect.ref)
            case SendItem():
                self._sender.send_item(effect)
            case Fence():
                self._fence(effect)
            case StartTranscription() | StartScore() | StartAnswer() | StartSpeech() | CancelJob():
                self._start(effect)
            case PersistItem() | Report():
                self._history.note(effect)
            case Charge() | ComponentChanged():
                self._count(effect)
            case Close():
                self._connection.hang_up(effect.code, effect.reason)
            case _:
                self._carry_out_audio(effect)

    def _fence(self, effect: Fence) -> None:
        unsent = self._sender.fence(effect)
        if unsent is not None:
            self.unsent.append(unsent)

    # -- audio -------------------------------------------------------------------------------------------------------
    def _carry_out_audio(self, effect: _AudioEffect) -> None:
        match effect:
            case CommitAudio():
                self._history.heard(effect)
                clip = self._intake.buffer.clip(effect.start, effect.end)
                self._sender.items.add(effect.item_id, self._intake.buffer.form, self._intake.buffer.encode(clip.data))
            case ForgetInput():
                self._intake.buffer.forget(effect.end, is_break=effect.is_break)
            case RestartVad():
                self._intake.restart(effect.stream)
            case AdoptAudio():
                for form, data in self._intake.given_audio:
                    self._sender.items.add(effect.item_id, form, data)
            case CutAudio():
                self._sender.items.cut(effect.item_id, effect.ticks)
            case ForgetAudio():
                self._sender.items.forget(effect.item_id)

    # -- jobs --------------------------------------------------------------------------------------------------------
    def _start(self, effect: _JobEffect) -> None:
        """Make a job from the present audio, or cancel one; commands keep their order."""
        match effect:
            case StartTranscription() if effect.item_id and not effect.end:
                self.submit(self._jobs.listening(effect, self._sender.items.clip(effect.item_id)))
            case StartTranscription() | StartScore():
                self.submit(self._jobs.listening(effect, self._intake.buffer.clip(effect.start, effect.end)))
            case StartAnswer():
                self.submit(self._jobs.answering(effect))
            case StartSpeech():
                self.submit(self._jobs.speaking(effect))
            case CancelJob():
                self._commands.put(_Command(self._gate, effect))

    @property
    def _gate(self) -> int:
        return self._checkpointer.gate if self._checkpointer is not None else 0

    async def _command(self, command: _Command) -> None:
        if self._checkpointer is not None:
            await self._checkpointer.saved(command.gate)
        for job in command.jobs:
            await self._jobs.submit(job)
        if command.effect is not None:
            await self._jobs.cancel(command.effect.job_id)

    # -- counting ------------------------------------------------------------------------------------------------------
    def _count_refusal(self, event: ServerMessage) -> None:
        match event:
            case Error():
                self._services.metrics.error("realtime", event.error.type)
                is_limit = event.error.code == "rate_limit_exceeded"
            case ResponseDone(response=Response(status_details=StatusDetails(error=ResponseError(code=code)))):
                is_limit = code == "inference_rate_limit_exceeded"
            case _:
                return
        reached = used_up(self._services.limiter.allowances(self._account)) if is_limit else None
        if reached is not None:
            self._services.metrics.rate_limited(reached.name)

    def _count(self, effect: Charge | ComponentChanged) -> None:
        if isinstance(effect, Charge):
            self._services.limiter.charge(self._account, requests=effect.requests, tokens=effect.tokens)
            return
        if self.replays:
            return
        self._services.metrics.component(effect.component, is_down=effect.is_down)
        if effect.is_down:
            _log.warning("degraded", component=effect.component, mode=effect.mode)
        else:
            _log.info("recovered", component=effect.component, mode=effect.mode)
