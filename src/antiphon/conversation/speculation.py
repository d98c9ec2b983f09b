"""Speculative responses: begun in the first silence of a turn, and held until the turn is over.

Until then no event of it is sent and none of its tools is called; if speech continues, it is dropped.
"""

from __future__ import annotations

from antiphon.audio.ticks import TICKS_PER_S
from antiphon.conversation import history, response, transcription
from antiphon.conversation.effects import CancelJob, DropSpeech
from antiphon.conversation.inputs import AudioMade, Transcribed, Transcribing, WorkerInput
from antiphon.conversation.state import ItemRecord, Owner, Speculation
from antiphon.conversation.step import EventRefused, Step
from antiphon.text.scripts import continuation
from antiphon.wire.realtime_client import ResponseParams
from antiphon.wire.realtime_items import Content, Message
from antiphon.wire.realtime_session import RealtimeSession


def begin(step: Step) -> None:
    """Transcribe the turn so far, once in each silence."""
    state, buffer = step.state, step.state.buffer
    detection = state.session.audio.input.turn_detection
    if state.speculation is not None or detection is None or not detection.create_response:
        return
    job_id = step.new_job("speculation")
    state.speculation = Speculation(end=buffer.scored, transcribe_job=job_id)
    step.do(transcription.transcription_job(step, job_id, "", buffer.speech_start, buffer.scored))


def partial(step: Step, event: Transcribing) -> None:
    """Hold a part of the transcript until the turn is over."""
    guess = step.state.speculation
    if guess is not None and guess.transcribe_job == event.job_id:
        guess.heard += continuation(guess.heard, event.segment.text)


def transcribed(step: Step, event: Transcribed) -> None:
    """Begin the response, if the transcript is not empty and no other response is active."""
    state, guess = step.state, step.state.speculation
    state.jobs.pop(event.job_id, None)
    present = state.session
    if guess is None or guess.transcribe_job != event.job_id:
        return
    guess.text, guess.duration_s = event.text, event.duration_s
    pending = any(record.hearing == "pending" for record in state.records)
    if not event.text or state.active or pending or not isinstance(present, RealtimeSession):
        return
    likely = response.configure(step, present, ResponseParams())
    try:
        response.check(step, likely)
    except EventRefused:
        return  # reported when the turn is over
    turn = Message(role="user", content=(Content(type="input_audio"),))
    records = [*response.scope(step, likely), ItemRecord(item=turn, position=0, heard=event.text)]
    effect = response.start_effect(step, likely, records, Owner("speculation"))
    guess.job_id, guess.speak_job_id = effect.job_id, effect.speak_job_id
    guess.asked_tokens = history.tokens(effect.request)
    step.do(effect)


def hold(step: Step, event: WorkerInput) -> None:
    """Hold a result until the turn is over."""
    if step.state.speculation is not None:
        step.state.speculation.held.append(event)


def drop(step: Step) -> None:
    """Cancel the speculation, if there is one."""
    guess = step.state.speculation
    if guess is None:
        return
    step.state.speculation = None
    for job_id in (guess.transcribe_job, guess.job_id, guess.speak_job_id):
        if step.state.jobs.pop(job_id, None):
            step.do(CancelJob(job_id))
    for event in guess.held:
        if isinstance(event, AudioMade):
            step.do(DropSpeech(event.ref))


def adopt(step: Step, record: ItemRecord) -> bool:
    """Give the transcript, complete or in progress, to the item of the finished turn. False without a speculation."""
    guess = step.state.speculation
    if guess is None:
        return False
    if guess.text is None:
        step.state.speculation = None
        step.hand_over(guess.transcribe_job, "item", str(record.item.id))
        record.hearing = "pending"
        transcription.more(step, record, guess.heard)
        return True
    transcription.finish(step, record, guess.text, guess.duration_s or record.input_ticks / TICKS_PER_S)
    return True


def take(step: Step) -> list[WorkerInput]:
    """Announce the held response as the one that is due; returns its results so far. Raises `EventRefused`."""
    state, guess = step.state, step.state.speculation
    present = state.session
    if guess is None or not guess.job_id or not isinstance(present, RealtimeSession):
        return []
    answer = response.configure(step, present, ResponseParams())
    response.check(step, answer)
    state.speculation = None
    response.open_response(step, answer)
    answer.waits = False
    answer.job_id, answer.speak_job_id = guess.job_id, guess.speak_job_id
    answer.asked_tokens = guess.asked_tokens
    answer.input_audio_ticks = sum(record.input_ticks for record in response.scope(step, answer))
    for job_id in filter(None, (guess.job_id, guess.speak_job_id)):
        step.hand_over(job_id, "response", answer.id)
    return guess.held
