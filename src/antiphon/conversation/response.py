"""The lifecycle of a response: created, begun once all speech it answers is transcribed, ended exactly once."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import UNSET

from antiphon.conversation import content, degraded, history, locks, reports, response_items, session
from antiphon.conversation.effects import CancelJob, Charge, DropSpeech, Fence, StartAnswer, StartSpeech
from antiphon.conversation.inputs import AnswerMade, AudioMade, Failed, TextMade
from antiphon.conversation.state import ItemRecord, Owner, ResponseState
from antiphon.conversation.step import EventRefused, Step
from antiphon.ports.limiter import used_up
from antiphon.text.quoting import quoted
from antiphon.wire.realtime_client import ResponseCancel, ResponseOutput, ResponseParams
from antiphon.wire.realtime_items import InputItem, ItemReference, Message, OwnItem
from antiphon.wire.realtime_response import (
    Reason,
    Response,
    ResponseAudioFormat,
    ResponseAudioOutput,
    ResponseError,
    ResponseStatus,
    StatusDetails,
)
from antiphon.wire.realtime_server import RateLimit, RateLimitsUpdated, ResponseCreated, ResponseDone
from antiphon.wire.realtime_session import RealtimeSession, ToolChoiceFunction


def create(step: Step, params: ResponseParams | None) -> ResponseState:
    """Create a response, for the client or for a turn that has ended. Raises `EventRefused`."""
    present = step.state.session
    if not isinstance(present, RealtimeSession):
        raise EventRefused("A transcription session has no responses.", code="invalid_value", param="type")
    if params is not None:
        locks.check(step.state.locked, params, "response")
    response = configure(step, present, params or ResponseParams())
    _admit(step, response)
    return open_response(step, response)


def open_response(step: Step, response: ResponseState) -> ResponseState:
    """Announce and charge a response that was checked."""
    state = step.state
    _announce(step, response)
    if state.allowances:
        limits = tuple(
            RateLimit(a.name, a.limit, max(0, a.remaining - (a.name == "requests")), round(a.reset_s, 3))
            for a in state.allowances
        )
        step.send(RateLimitsUpdated, rate_limits=limits)
    step.do(Charge(requests=1))
    return response


def _announce(step: Step, response: ResponseState) -> None:
    state = step.state
    state.responses[response.id] = response
    state.turns += 1
    response.turn, response.created_at = state.turns, step.now
    if response.conversation_id is not None:
        state.active = response.id
        state.due.clear()
        state.answer_anyway = False
        state.idle_due = None
    step.send(ResponseCreated, response=show(step, response, "in_progress"))


def _admit(step: Step, response: ResponseState) -> None:
    """Refuse a response beyond the limits of the conversation."""
    state = step.state
    if response.conversation_id is not None and state.active:
        raise EventRefused(
            f"Conversation already has an active response in progress: {state.active}. "
            "Wait until the response is finished before creating a new one.",
            code="conversation_already_has_active_response",
        )
    out_of_band = sum(other.conversation_id is None for other in state.responses.values())
    if response.conversation_id is None and out_of_band >= state.rules.max_out_of_band:
        raise EventRefused(
            f"At most {state.rules.max_out_of_band} out-of-band responses may be in progress at once.",
            code="too_many_responses",
            param="response.conversation",
        )
    check(step, response)


def refuse_answer(step: Step, refusal: EventRefused) -> None:
    """Report a turn that is not answered as a failed response, not as an error: no client event asked for it.

    The response is not charged: a used-up limit must recover even while the user continues to speak.
    """
    present = step.state.session
    if isinstance(present, RealtimeSession):
        answer = configure(step, present, ResponseParams())
        _announce(step, answer)
        code = "inference_rate_limit_exceeded" if refusal.code == "rate_limit_exceeded" else refusal.code
        end(step, answer, "failed", error=ResponseError(refusal.kind, code, refusal.message))


def check(step: Step, response: ResponseState) -> None:
    """Refuse a tool choice without its tool, and a response beyond a rate limit."""
    _check_choice(response)
    reached = used_up(step.state.allowances)
    if reached is not None:
        raise EventRefused(
            f"Rate limit reached for {reached.name}: {reached.limit} per minute. Try again in {reached.reset_s:.1f} s.",
            code="rate_limit_exceeded",
            kind="rate_limit_error",
        )


def configure(step: Step, present: RealtimeSession, params: ResponseParams) -> ResponseState:
    """Return a response under the session's configuration with the overrides of one ``response.create``."""
    out_of_band = params.conversation == "none"
    audio = present.audio.output
    wish = params.audio.output if params.audio else None
    if not isinstance(wish, ResponseOutput):
        wish = ResponseOutput()
    limit = params.max_output_tokens
    reasoning = params.reasoning or present.reasoning
    parallel = params.parallel_tool_calls
    modes, tools = present.output_modalities, present.tools
    if params.output_modalities is not UNSET and params.output_modalities is not None:
        modes = session.modalities(params.output_modalities, "response.output_modalities")
    if params.tools is not UNSET and params.tools is not None:
        tools = session.function_tools(params.tools, "response.tools")
    chosen = present.tool_choice
    if params.tool_choice:
        chosen = session.tool_choice(params.tool_choice, "response.tool_choice")
    response = ResponseState(
        id="",
        conversation_id=None if out_of_band else step.state.conversation_id,
        modalities=modes,
        instructions=params.instructions if isinstance(params.instructions, str) else present.instructions,
        tools=tools,
        tool_choice=chosen,
        max_output_tokens=limit or present.max_output_tokens,
        format=wish.format or audio.format,
        voice=session.voice_name(wish.voice) if wish.voice else audio.voice,
        speed=audio.speed,
        metadata=params.metadata if isinstance(params.metadata, dict) else None,
        parallel_tool_calls=parallel if isinstance(parallel, bool) else present.parallel_tool_calls is not False,
        reasoning_effort=(reasoning.effort or "") if reasoning else "",
        input=_own_input(step, params),
    )
    response.id = step.new_id("resp")
    return response


def _check_choice(response: ResponseState) -> None:
    """A forced function must be among the tools."""
    chosen = response.tool_choice
    if isinstance(chosen, ToolChoiceFunction) and all(tool.name != chosen.name for tool in response.tools):
        raise EventRefused(
            f"Tool choice {quoted(chosen.name)} is not among the tools.",
            code="invalid_value",
            param="response.tool_choice.name",
        )
    if chosen == "required" and not response.tools:
        raise EventRefused(
            "Tool choice 'required' must be specified with 'tools'.", code="invalid_value", param="response.tool_choice"
        )


def _own_input(step: Step, params: ResponseParams) -> list[OwnItem | ItemReference] | None:
    """Check the items that replace the conversation for one response."""
    if params.input is UNSET or params.input is None:
        return None
    known, most = step.by_id(), step.state.rules.max_characters
    own = [_own_item(step, known, item, f"response.input[{index}]") for index, item in enumerate(params.input)]
    if sum(content.size(known[item.id].item if isinstance(item, ItemReference) else item) for item in own) > most:
        raise EventRefused(
            f"The input holds more than {most} characters, the maximum of a conversation.",
            code="conversation_size_limit_exceeded",
            param="response.input",
        )
    return own


def _own_item(step: Step, known: Mapping[str, ItemRecord], item: InputItem, param: str) -> OwnItem | ItemReference:
    if isinstance(item, ItemReference):
        if item.id not in known:
            raise EventRefused(
                f"The item with id {quoted(item.id)} does not exist.", code="invalid_value", param=f"{param}.id"
            )
        return item
    if isinstance(item, Message) and any(part.audio for part in item.content):
        raise EventRefused(
            "Audio in a response's own input is not supported; create an item and refer to it.",
            code="invalid_value",
            param=f"{param}.content",
        )
    return content.checked(step, item, param, may_be_spoken=True)


# -- begin -----------------------------------------------------------------------------------------------------------
def scope(step: Step, response: ResponseState) -> list[ItemRecord]:
    """Return the records a response answers: the conversation's, or its own input's."""
    if response.input is None:
        return [record for record in step.state.records if record.item.status != "in_progress"]
    known = step.by_id()
    found = [_input_record(known, item) for item in response.input]
    return [record for record in found if record is not None]


def _input_record(known: Mapping[str, ItemRecord], item: OwnItem | ItemReference) -> ItemRecord | None:
    """Return the record of an input item; None if it was deleted while the response waited."""
    if isinstance(item, ItemReference):
        return known.get(item.id)
    return ItemRecord(item=item, position=0, heard=content.given_transcript(item))


def begin_ready(step: Step) -> None:
    """Begin every response whose input is transcribed."""
    for response in list(step.state.responses.values()):
        if response.waits and not response.job_id:
            records = scope(step, response)
            if not any(record.hearing == "pending" for record in records):
                begin(step, response, records)


def begin(step: Step, response: ResponseState, records: list[ItemRecord]) -> None:
    """Start the jobs of a response."""
    last = records[-1] if records else None
    if last is not None and last.hearing == "failed" and not response.instructions and len(records) == 1:
        details = ResponseError("server_error", "transcription_failed", "The audio could not be transcribed.")
        end(step, response, "failed", error=details)
        return
    response.waits = False
    response.input_audio_ticks = sum(record.input_ticks for record in records)
    effect = start_effect(step, response, records, Owner("response", response.id))
    response.job_id, response.speak_job_id = effect.job_id, effect.speak_job_id
    response.asked_tokens = history.tokens(effect.request)
    step.do(effect)


def start_effect(step: Step, response: ResponseState, records: list[ItemRecord], owner: Owner) -> StartAnswer:
    """Return the effect that answers ``records``; its results are for ``owner``."""
    present = step.state.session
    model = present.model if isinstance(present, RealtimeSession) else ""
    return StartAnswer(
        job_id=step.new_job(owner.kind, owner.id),
        speak_job_id=step.new_job(owner.kind, owner.id) if "audio" in response.modalities else "",
        request=history.request(response, records, model),
        voice=response.voice,
        speed=response.speed,
        memory=reports.memory_of(step),
    )


# -- end -------------------------------------------------------------------------------------------------------------
def cancel(step: Step, message: ResponseCancel) -> None:
    """Handle ``response.cancel``."""
    response = step.state.responses.get(message.response_id or step.state.active)
    if response is None:
        raise EventRefused("Cancellation failed: no active response found", code="response_cancel_not_active")
    end(step, response, "cancelled", "client_cancelled")


def failed(step: Step, response: ResponseState, event: Failed) -> None:
    """Handle a failed job: without TTS the response continues as text, without the LLM it apologises or fails."""
    if event.job_id == response.speak_job_id:
        degraded.failed(step, "tts", event)
        response_items.speech_lost(step, response)
        return
    if response.answered:  # its text is complete: only a repeated run of the job has failed
        return
    if not response.outputs and degraded.failed(step, "llm", event):
        text = degraded.apology(step, response, scope(step, response))
        if text:
            _apologise(step, response, text)
            return
    kind = "server_error" if event.error_type == "api_error" else event.error_type
    end(step, response, "failed", error=ResponseError(kind, event.code, event.message))


def _apologise(step: Step, response: ResponseState, text: str) -> None:
    """Answer with this text in place of the LLM. The response ends as any other."""
    state = step.state
    state.jobs.pop(response.job_id, None)
    owner = state.jobs.pop(response.speak_job_id, None)
    if owner is not None:  # that job waits for sentences of the LLM
        step.do(CancelJob(response.speak_job_id))
        response.speak_job_id = step.new_job(owner.kind, owner.id)
        step.do(StartSpeech(response.speak_job_id, text, response.voice, response.speed))
    response_items.more_text(step, response, TextMade(response.job_id, text))
    response_items.answer_done(response, AnswerMade(response.job_id, "stop"))


def end(
    step: Step,
    response: ResponseState,
    status: ResponseStatus,
    reason: Reason | None = None,
    error: ResponseError | None = None,
) -> None:
    """Close open items and send ``response.done``, the last event of this response."""
    state = step.state
    if status in ("cancelled", "failed"):
        _stop_jobs(step, response)
        step.do(Fence(response.id))
    else:
        response_items.flush(step, response)
    response_items.close_all(step, response, status)
    response.status, response.reason = status, reason
    response_items.account(response)
    step.send(ResponseDone, response=show(step, response, status, error))
    reports.answered(step, response, status)
    if response.usage is not None and response.usage.total_tokens:
        step.do(Charge(tokens=response.usage.total_tokens))
    if response.conversation_id is None:
        response_items.forget(step, response)
    del state.responses[response.id]
    for job_id in (response.job_id, response.speak_job_id):
        state.jobs.pop(job_id, None)
    if state.active == response.id:
        state.active = ""
        response_items.await_idle(step)


def abandon(step: Step, response: ResponseState) -> None:
    """End a response that has lost its client; its items stay as they are."""
    _stop_jobs(step, response)
    end(step, response, "incomplete")


def _stop_jobs(step: Step, response: ResponseState) -> None:
    for job_id in filter(None, (response.job_id, response.speak_job_id)):
        step.do(CancelJob(job_id))
    for event in response.held:
        if isinstance(event, AudioMade):
            step.do(DropSpeech(event.ref))
    response.held.clear()


def show(step: Step, response: ResponseState, status: ResponseStatus, error: ResponseError | None = None) -> Response:
    """Return the response as the client sees it."""
    details: StatusDetails | None = None
    if status in ("cancelled", "incomplete", "failed"):
        details = StatusDetails(type=status, reason=response.reason or UNSET, error=error or UNSET)
    return Response(
        id=response.id,
        status=status,
        status_details=details,
        output=tuple(response_items.item(step, response, part) for part in response.outputs),
        conversation_id=response.conversation_id,
        output_modalities=response.modalities,
        max_output_tokens=response.max_output_tokens,
        audio=ResponseAudioFormat(ResponseAudioOutput(response.format, response.voice)),
        usage=response.usage,
        metadata=response.metadata,
    )


def advance(step: Step) -> None:
    """End responses whose text and speech are complete."""
    for response in list(step.state.responses.values()):
        if response.answered and (response.spoken or not response.speak_job_id) and not response.held:
            end(step, response, response.status, response.reason)
