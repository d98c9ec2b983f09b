"""The conversation state machine: takes inputs and returns effects. No socket, no clock, no ``await``.

The same inputs give the same effects, byte for byte; `state` may be dumped and loaded between any two inputs.
"""

from __future__ import annotations

from typing import assert_never

from antiphon import ids
from antiphon.conversation import (
    client,
    degraded,
    job_timeouts,
    playout,
    response,
    response_items,
    resume,
    speculation,
    transcription,
    turn,
)
from antiphon.conversation.effects import Close, DropSpeech, Effect, Send
from antiphon.conversation.inputs import (
    AllowanceChanged,
    AnswerMade,
    AnyInput,
    AudioAppended,
    AudioMade,
    CallMade,
    ComponentSeen,
    Failed,
    Opened,
    Received,
    Resumed,
    SentenceMade,
    SpeechMade,
    TextMade,
    Tick,
    Transcribed,
    Transcribing,
    TurnScored,
    Unsent,
    VoiceScored,
    WorkerInput,
)
from antiphon.conversation.state import ResponseState, Rules, State
from antiphon.conversation.step import EventRefused, Step
from antiphon.wire.realtime_session import AnySession

EXPIRED = "Your session hit the maximum duration of {minutes:g} minutes."


class Conversation:
    """One session of the Realtime protocol."""

    def __init__(self, state: State) -> None:
        self.state = state

    @classmethod
    def begin(
        cls,
        current: AnySession,
        rules: Rules,
        *,
        seed: str,
        now: float,
        lasts_s: float,
        resume_token: str = "",
        locked: tuple[str, ...] = (),
    ) -> Conversation:
        """Return a new conversation; ``seed`` is the random part of its ids; see `State` for the other arguments."""
        return cls(
            State(
                seed=seed,
                session=current,
                rules=rules,
                conversation_id=ids.conversation_id(seed),
                opened_at=now,
                expires_at=now + lasts_s,
                resume_token=resume_token,
                locked=locked,
            )
        )

    def receive(self, event: AnyInput, now: float) -> list[Effect]:
        """Apply one input and return its effects, in order.

        A refused client event gives exactly one ``error`` event and changes nothing.
        """
        step = Step(self.state, now)
        if self.state.closed:
            return _discard(step, event)
        if isinstance(event, Received) and event.message.event_id is not None:
            self.state.client_event = event.message.event_id
        try:
            _dispatch(step, event)
        except EventRefused as refusal:
            step.refuse(refusal, _event_id(event))
            return step.effects
        if not _is_only_sound(event, step):
            _advance(step)
        return step.effects

    def has_room(self, ticks: int) -> bool:
        """Say whether `AudioAppended` with this much audio would be accepted now."""
        return not self.state.closed and client.has_room(self.state, ticks)

    def new_event_id(self) -> str:
        """Return the next event id, for events sent without the machine: errors about frames that cannot be decoded."""
        return Step(self.state, 0.0).new_id("event")

    def wake_at(self, now: float) -> float:
        """Return when a `Tick` is due, on the clock of ``now``."""
        state = self.state
        step = Step(state, now)
        at = min(state.expires_at, job_timeouts.due_at(step))
        if state.idle_due is not None:
            at = min(at, state.idle_due)
        if state.cuts:
            at = min(at, playout.cut_at(step))
        for found in state.responses.values():
            if found.held:
                at = min(at, response_items.release_at(step, found))
        return at


def _is_only_sound(event: AnyInput, step: Step) -> bool:
    """Say whether this input was only audio, the most frequent case, after which no response can advance."""
    return isinstance(event, AudioMade) or (isinstance(event, AudioAppended) and not step.effects)


def _event_id(event: AnyInput) -> str | None:
    """Return the id that a client gave its event."""
    match event:
        case Received():
            return event.message.event_id
        case AudioAppended():
            return event.event_id
        case _:
            return None


def _discard(step: Step, event: AnyInput) -> list[Effect]:
    """Drop speech that arrives after the conversation has closed."""
    if isinstance(event, AudioMade):
        step.do(DropSpeech(event.ref))
    return step.effects


def _advance(step: Step) -> None:
    """Advance all responses as far as this input allows."""
    for _ in range(3):  # when a response ends the next one may begin, and its results may already be held
        response.begin_ready(step)
        response.advance(step)
        if not _answer(step):
            return


def _answer(step: Step) -> bool:
    """Begin the response that is due, once all speech is transcribed and no other response is active."""
    state = step.state
    if not state.due or state.active:
        if not state.buffer.speech_item:
            speculation.drop(step)
        return False
    if any(record.hearing == "pending" for record in state.records):
        return False
    is_wanted = state.answer_anyway or any(_is_understood(step, item_id) for item_id in state.due)
    state.due.clear()
    state.answer_anyway = False
    if not is_wanted:
        speculation.drop(step)
        return False
    try:
        known = _begin_answer(step)
    except EventRefused as refusal:
        speculation.drop(step)
        response.refuse_answer(step, refusal)
        return False
    for event in known:
        _apply(step, state.responses[state.active], event)
    return True


def _is_understood(step: Step, item_id: str) -> bool:
    """Say whether an item has a transcript: noise, failed transcriptions and deleted items are not answered."""
    record = step.find(item_id)
    return record is not None and bool(record.heard)


def _begin_answer(step: Step) -> list[WorkerInput]:
    """Use the speculative response if there is one, else create a new one. Raises `EventRefused`."""
    guess = step.state.speculation
    if guess is not None and guess.job_id:
        return speculation.take(step)
    speculation.drop(step)
    response.create(step, None)
    return []


def _dispatch(step: Step, event: AnyInput) -> None:
    match event:  # the most frequent first
        case AudioAppended():
            client.append(step, event)
        case VoiceScored():
            turn.on_voice(step, event)
        case AudioMade():
            _worker(step, event)
        case Tick():
            _tick(step)
        case Received():
            client.receive(step, event)
        case TurnScored():
            turn.on_score(step, event)
        case Transcribing() | Transcribed():
            _on_transcript(step, event)
        case TextMade() | CallMade() | AnswerMade() | SentenceMade() | SpeechMade() | Failed():
            _worker(step, event)
        case Unsent():
            playout.unsent(step, event)
        case AllowanceChanged() | ComponentSeen():
            _informed(step, event)
        case Opened() | Resumed():
            _connected(step, event)
        case _:
            assert_never(event)


def _informed(step: Step, event: AllowanceChanged | ComponentSeen) -> None:
    """Handle a change outside the conversation."""
    match event:
        case AllowanceChanged():
            step.state.allowances = event.allowances
        case ComponentSeen():
            degraded.seen(step, event.component, is_down=event.is_down)


def _connected(step: Step, event: Opened | Resumed) -> None:
    """Handle a client that has connected, for the first time or again."""
    if isinstance(event, Resumed):
        resume.resume(step, event)
    else:
        step.do(Send(resume.greeting(step.state, step.new_id("event"))))


def _on_transcript(step: Step, event: Transcribing | Transcribed) -> None:
    """Handle transcription results, of a finished turn or of a speculation."""
    is_guess = step.owner(event.job_id, "speculation") is not None
    job_timeouts.progress(step, event.job_id)
    match event:
        case Transcribing():
            (speculation.partial if is_guess else transcription.partial)(step, event)
        case Transcribed():
            if step.state.jobs.get(event.job_id) is not None:
                degraded.seen(step, "stt", is_down=False)
            (speculation.transcribed if is_guess else transcription.completed)(step, event)


def _worker(step: Step, event: WorkerInput) -> None:
    """Route a worker's result to its owner; results of cancelled jobs are dropped."""
    if isinstance(event, AnswerMade | SpeechMade):
        job_timeouts.done(step, event.job_id)
    else:
        job_timeouts.progress(step, event.job_id)
    found = step.state.responses.get(step.owner(event.job_id, "response") or "")
    if found is not None:
        _apply(step, found, event)
    elif step.owner(event.job_id, "speculation") is not None:
        if isinstance(event, Failed):
            speculation.drop(step)
        else:
            speculation.hold(step, event)
    elif isinstance(event, AudioMade):
        step.do(DropSpeech(event.ref))
    elif isinstance(event, Failed):
        transcription.failed(step, event)


def _apply(step: Step, found: ResponseState, event: WorkerInput) -> None:
    match event:
        case AudioMade():
            degraded.seen(step, "tts", is_down=False)
            response_items.more_audio(step, found, event)
        case TextMade():
            degraded.seen(step, "llm", is_down=False)
            response_items.more_text(step, found, event)
        case CallMade():
            response_items.more_call(step, found, event)
        case SentenceMade():
            response_items.sentence_done(step, found)
        case SpeechMade():
            degraded.spoken(step, by_another=event.by_another)
            response_items.speech_done(step, found, event)
        case AnswerMade():
            degraded.seen(step, "llm", is_down=False)
            response_items.answer_done(found, event)
        case Failed():
            response.failed(step, found, event)
        case _:
            assert_never(event)


def _tick(step: Step) -> None:
    state = step.state
    if step.now >= state.expires_at:
        _expire(step)
        return
    for failure in job_timeouts.time_out(step):
        _worker(step, failure)
        state.jobs.pop(failure.job_id, None)
    playout.apply_estimates(step)
    response_items.release(step)
    if state.idle_due is not None and step.now >= state.idle_due:
        turn.idle(step)


def _expire(step: Step) -> None:
    """End a session that has reached its maximum duration."""
    state = step.state
    for found in list(state.responses.values()):
        response.end(step, found, "cancelled", "client_cancelled")
    reason = EXPIRED.format(minutes=round((state.expires_at - state.opened_at) / 60, 2))
    step.refuse(EventRefused(reason, code="session_expired"), None)
    state.closed = True
    step.do(Close(1001, reason))
