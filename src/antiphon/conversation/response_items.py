"""The items of a response: how each is opened, extended by deltas, and closed."""

from __future__ import annotations

from typing import Any

from antiphon.audio.ticks import TICKS_PER_MS, TICKS_PER_S
from antiphon.conversation import items, playout
from antiphon.conversation.effects import EndSpeech, ForgetAudio, SendAudio
from antiphon.conversation.inputs import AnswerMade, AudioMade, CallMade, SpeechMade, TextMade, WorkerInput
from antiphon.conversation.state import ItemRecord, OutputItem, Playout, ResponseState
from antiphon.conversation.step import Step
from antiphon.wire.realtime_items import Content, FunctionCall, Message, OwnItem, Status
from antiphon.wire.realtime_response import InputTokens, OutputTokens, ResponseStatus, Usage
from antiphon.wire.realtime_server import (
    ContentPart,
    ConversationItemAdded,
    ConversationItemDone,
    ResponseContentPartAdded,
    ResponseContentPartDone,
    ResponseFunctionCallArgumentsDelta,
    ResponseFunctionCallArgumentsDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioDone,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone,
    ResponseOutputItemAdded,
    ResponseOutputItemDone,
    ResponseOutputTextDelta,
    ResponseOutputTextDone,
)
from antiphon.wire.realtime_session import ServerVadConfig

INPUT_TOKENS_PER_S = 10
OUTPUT_TOKENS_PER_S = 20
"""Audio tokens as OpenAI counts them: one per 100 ms heard, one per 50 ms spoken."""


# -- more ------------------------------------------------------------------------------------------------------------
def more_text(step: Step, response: ResponseState, event: TextMade) -> None:
    """Add text of the LLM; an empty one only shows that the LLM is at work."""
    response.said_tokens += 1
    if not event.text:
        return
    response.text_at = response.text_at or step.now
    message = _message(step, response)
    message.add(event.text)
    kind = ResponseOutputAudioTranscriptDelta if response.speak_job_id else ResponseOutputTextDelta
    step.send(kind, **_where(response, message), content_index=0, delta=event.text)


def more_call(step: Step, response: ResponseState, event: CallMade) -> None:
    """Add a piece of a function call."""
    call = next((part for part in response.outputs if part.call_index == event.index), None)
    if call is None:
        call = OutputItem(
            item_id=step.new_item_id(),
            kind="function_call",
            index=len(response.outputs),
            name=event.name,
            call_id=event.call_id,
            call_index=event.index,
        )
        _open(step, response, call)
    response.said_tokens += 1
    if event.arguments:
        call.add(event.arguments)
        step.send(
            ResponseFunctionCallArgumentsDelta,
            **_where(response, call),
            call_id=call.call_id,
            delta=event.arguments,
        )


def more_audio(step: Step, response: ResponseState, event: AudioMade) -> None:
    """Add speech; with pacing it is held until a tick releases it."""
    playout.made(playout_of(step, response, _message(step, response).item_id), event.text, event.ticks)
    if step.state.rules.pace:  # not sent here: the arrival time of results must not matter, or a replay would differ
        response.held.append(event)
    else:
        _speak(step, response, event)


def sentence_done(step: Step, response: ResponseState) -> None:
    """Record that the speech so far ends with a complete sentence."""
    speech = _playout(step, response)
    if speech is not None:
        speech.whole = speech.made


def speech_done(step: Step, response: ResponseState, event: SpeechMade) -> None:
    """Record that the speech is complete."""
    sentence_done(step, response)
    response.voice_engine = event.engine
    if response.held:
        response.held.append(event)
    else:
        response.spoken = True


def answer_done(response: ResponseState, event: AnswerMade) -> None:
    """Record that the LLM has finished."""
    response.answered = True
    if event.finish_reason == "length":
        response.status, response.reason = "incomplete", "max_output_tokens"
    elif event.finish_reason == "content_filter":
        response.status, response.reason = "incomplete", "content_filter"
    response.usage = Usage(
        0,
        0,
        0,
        InputTokens(text_tokens=event.input_tokens, cached_tokens=event.cached_tokens),
        OutputTokens(text_tokens=event.output_tokens),
    )


def speech_lost(step: Step, response: ResponseState) -> None:
    """Continue as text only, because TTS has failed."""
    step.state.jobs.pop(response.speak_job_id, None)
    response.spoken = True


def release(step: Step) -> None:
    """Send held speech that is due, as much as fits into the lead."""
    for response in list(step.state.responses.values()):
        while response.held and step.now >= _fits_at(step, response, response.held[0]):
            event = response.held.pop(0)
            if isinstance(event, AudioMade):
                _speak(step, response, event)
            else:
                response.spoken = True
        response.eager = not response.held


def release_at(step: Step, response: ResponseState) -> float:
    """Return when to release held speech, seconds: when a burst fits, or a single piece."""
    return _fits_at(step, response, response.held[0]) if response.eager else response.due


def _fits_at(step: Step, response: ResponseState, event: WorkerInput) -> float:
    """Return when the lead has room for a result, seconds; a piece shorter than a burst fits sooner."""
    most = min(response.burst_ticks, step.state.rules.lead_ms * TICKS_PER_MS)
    room = most - event.ticks if isinstance(event, AudioMade) else most
    return response.due - (max(0, room) + TICKS_PER_MS) / TICKS_PER_S  # times are rounded to ticks


def _playout(step: Step, response: ResponseState) -> Playout | None:
    """Return the playout of the response's message, once there is one."""
    for part in response.outputs:
        if part.kind == "message":
            return playout_of(step, response, part.item_id)
    return None


def _speak(step: Step, response: ResponseState, event: AudioMade) -> None:
    message = _message(step, response)
    speech = playout_of(step, response, message.item_id)
    playout.sent(speech, event.ticks, step.now)
    response.audio_ticks += event.ticks
    response.audio_at = response.audio_at or step.now
    response.chunks += 1
    if step.state.rules.pace:
        response.burst_ticks = max(response.burst_ticks, event.ticks)
        lead = max(0, step.state.rules.lead_ms * TICKS_PER_MS - response.burst_ticks)
        response.due = playout.reached_at(speech, speech.sent - lead)
    step.state.voice_locked = True
    step.do(SendAudio(_audio_delta(step, _where(response, message)), event.ref, response.format))


def _audio_delta(step: Step, where: dict[str, Any]) -> ResponseOutputAudioDelta:
    return ResponseOutputAudioDelta(event_id=step.new_id("event"), **where, content_index=0, delta="")


def playout_of(step: Step, response: ResponseState, item_id: str) -> Playout:
    """Return the playout of an item, from its record or else from the response."""
    record = step.find(item_id) if response.conversation_id is not None else None
    if record is not None:
        if record.playout is None:
            record.playout = Playout(since=step.now)
        return record.playout
    return response.playouts.setdefault(item_id, Playout(since=step.now))


# -- items -----------------------------------------------------------------------------------------------------------
def _message(step: Step, response: ResponseState) -> OutputItem:
    """Return the response's message; the first text or speech opens it."""
    for part in response.outputs:
        if part.kind == "message":
            return part
    message = OutputItem(item_id=step.new_item_id(), kind="message", index=len(response.outputs))
    _open(step, response, message)
    spoken = bool(response.speak_job_id)
    part = ContentPart("audio", transcript="") if spoken else ContentPart("text", text="")
    step.send(ResponseContentPartAdded, **_where(response, message), content_index=0, part=part)
    if spoken:
        playout_of(step, response, message.item_id)
    return message


def _open(step: Step, response: ResponseState, part: OutputItem) -> None:
    response.outputs.append(part)
    shown = item(step, response, part)
    step.send(ResponseOutputItemAdded, response_id=response.id, output_index=part.index, item=shown)
    if response.conversation_id is not None:
        items.make_room(step)
        previous = step.last_id()
        items.append(step, ItemRecord(item=shown, position=0))
        step.send(ConversationItemAdded, previous_item_id=previous, item=shown)


def item(step: Step, response: ResponseState, part: OutputItem, status: Status | None = None) -> OwnItem:
    """Return an item of the response as the client sees it: empty while it is in progress."""
    record = step.find(part.item_id) if not part.open and response.conversation_id is not None else None
    if record is not None:
        return record.item
    status = status or part.status
    done = status != "in_progress"
    if part.kind == "function_call":
        return FunctionCall(
            id=part.item_id,
            object="realtime.item",
            status=status,
            name=part.name,
            call_id=part.call_id,
            arguments=part.text if done else "",
        )
    spoken = Content(type="output_audio", transcript=part.text)
    content = spoken if response.speak_job_id else Content(type="output_text", text=part.text)
    return Message(
        id=part.item_id,
        object="realtime.item",
        status=status,
        role="assistant",
        content=(content,) if done else (),
    )


def flush(step: Step, response: ResponseState) -> None:
    """Send the speech that the encoder still holds of a response that was not cancelled."""
    for part in response.outputs:
        if part.kind == "message" and part.open and response.audio_ticks:
            step.do(EndSpeech(_audio_delta(step, _where(response, part))))


def close_all(step: Step, response: ResponseState, outcome: ResponseStatus) -> None:
    """Close every open item in order, after the outcome of their response.

    A call is done only with its response: clients send its output at once and ask for the next response.
    """
    for part in response.outputs:
        if part.open:
            _close(step, response, part, outcome)


def forget(step: Step, response: ResponseState) -> None:
    """Drop the speech of items that are in no conversation: it cannot be retrieved."""
    for part in response.outputs:
        if part.kind == "message" and response.audio_ticks:
            step.do(ForgetAudio(part.item_id))


def _close(step: Step, response: ResponseState, part: OutputItem, outcome: ResponseStatus) -> None:
    status: Status = "completed" if outcome == "completed" else "incomplete"
    where = _where(response, part)
    if part.kind == "function_call":
        arguments = ResponseFunctionCallArgumentsDone
        step.send(arguments, **where, call_id=part.call_id, name=part.name, arguments=part.text)
    elif response.speak_job_id:
        speech = playout_of(step, response, part.item_id)
        speech.text = part.text
        step.send(ResponseOutputAudioDone, **where, content_index=0)
        step.send(ResponseOutputAudioTranscriptDone, **where, content_index=0, transcript=part.text)
        done = ContentPart("audio", transcript=part.text)
        step.send(ResponseContentPartDone, **where, content_index=0, part=done)
    else:
        step.send(ResponseOutputTextDone, **where, content_index=0, text=part.text)
        step.send(ResponseContentPartDone, **where, content_index=0, part=ContentPart("text", text=part.text))
    shown = item(step, response, part, status)
    part.status = status
    record = step.find(part.item_id) if response.conversation_id is not None else None
    if record is not None:
        record.item = shown
        record.interrupted = outcome == "cancelled"
    step.send(ResponseOutputItemDone, response_id=response.id, output_index=part.index, item=shown)
    if record is not None:
        step.send(ConversationItemDone, previous_item_id=step.before(part.item_id), item=shown)
        step.persist(record)


def _where(response: ResponseState, part: OutputItem) -> dict[str, Any]:
    return {"response_id": response.id, "item_id": part.item_id, "output_index": part.index}


# -- afterwards ------------------------------------------------------------------------------------------------------
def account(response: ResponseState) -> None:
    """Compute the usage of a response. Tokens are estimated if the LLM was cancelled before it could count them."""
    counted = response.usage
    if counted is None:
        asked = response.asked_tokens if response.said_tokens else 0
        counted = Usage(0, 0, 0, InputTokens(asked), OutputTokens(response.said_tokens))
    heard_tokens = response.input_audio_ticks * INPUT_TOKENS_PER_S // TICKS_PER_S
    spoken_tokens = response.audio_ticks * OUTPUT_TOKENS_PER_S // TICKS_PER_S
    text_in, text_out = counted.input_token_details.text_tokens, counted.output_token_details.text_tokens
    cached = counted.input_token_details.cached_tokens
    response.usage = Usage(
        total_tokens=text_in + heard_tokens + text_out + spoken_tokens,
        input_tokens=text_in + heard_tokens,
        output_tokens=text_out + spoken_tokens,
        input_token_details=InputTokens(text_in, heard_tokens, cached_tokens=cached),
        output_token_details=OutputTokens(text_out, spoken_tokens),
    )


def await_idle(step: Step) -> None:
    """Start the idle timeout at the end of an answer's playout."""
    detection = step.state.session.audio.input.turn_detection
    if not isinstance(detection, ServerVadConfig) or detection.idle_timeout_ms is None:
        return
    remaining = 0
    for record in step.state.records[-2:]:
        if record.playout is not None and record.playout.cut is None:
            remaining = record.playout.sent - playout.position(record.playout, step.now)
    step.state.idle_due = step.now + remaining / TICKS_PER_S + detection.idle_timeout_ms / 1000
    step.state.idle_from = step.state.buffer.written
