"""Events of a conversation for others than its client: measurements, tool calls, turns to remember."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from antiphon.audio.ticks import TICKS_PER_MS
from antiphon.conversation import history
from antiphon.conversation.state import ItemRecord, ResponseState
from antiphon.conversation.step import Step
from antiphon.wire.events import (
    MOST_CHARACTERS,
    AsrStats,
    ChatStats,
    LtmWriteRequested,
    Spoken,
    ToolCall,
    TranscriptionCompleted,
    TtsStats,
)
from antiphon.wire.realtime_response import ResponseStatus
from antiphon.wire.realtime_session import MemoryOptions, RealtimeSession

_OUTCOMES = {"completed": "completed", "incomplete": "completed", "cancelled": "stopped", "failed": "error"}


def transcribed(step: Step, record: ItemRecord, text: str, duration_s: float, provider: str, *, is_shown: bool) -> None:
    """Report a transcript; its text only if the client asked for transcripts."""
    latency_ms = _since_ms(record.asked_at, step.now) if record.asked_at else None
    step.report(
        AsrStats(
            **_turn(step, step.state.turns + 1),
            provider=provider,
            latency_ms=latency_ms,
            duration_seconds=round(duration_s, 3),
        )
    )
    if is_shown:
        step.report(
            TranscriptionCompleted(
                session_id=step.session_id,
                item_id=str(record.item.id),
                transcript=text[:MOST_CHARACTERS],
                duration_s=round(duration_s, 3),
            )
        )


def answered(step: Step, response: ResponseState, status: ResponseStatus) -> None:
    """Report a response that has ended."""
    turn, usage = _turn(step, response.turn), response.usage
    step.report(
        ChatStats(
            **turn,
            ttft_ms=_since_ms(response.created_at, response.text_at) if response.text_at else None,
            tokens=usage.output_token_details.text_tokens if usage else 0,
            input_tokens=usage.input_tokens if usage else 0,
            output_tokens=usage.output_tokens if usage else 0,
            status=status,
        )
    )
    if response.speak_job_id:
        step.report(
            TtsStats(
                **turn,
                utterance_id=response.id,
                provider=response.voice_engine,
                ttfa_ms=_since_ms(response.created_at, response.audio_at) if response.audio_at else None,
                chunks=response.chunks,
                audio_ms=response.audio_ticks // TICKS_PER_MS,
                outcome=_OUTCOMES[status],
            )
        )
    for part in response.outputs:
        if part.kind == "function_call":
            step.report(ToolCall(**turn, name=part.name, call_id=part.call_id))
    _remember(step, response, turn)


def _remember(step: Step, response: ResponseState, turn: dict[str, Any]) -> None:
    """Ask to remember the user's words, once per item of the user, if the session has a memory."""
    options, said = memory_of(step), history.last_of_user(step.state.records)
    if options is None or said is None or response.conversation_id is None:
        return
    item_id, text = str(said.item.id), history.last_said([said]).strip()
    if not text or step.state.remembered == item_id:
        return
    step.state.remembered = item_id
    reply = " ".join(part.text for part in response.outputs if part.kind == "message")
    spoken = Spoken(text=text[:MOST_CHARACTERS], reply=reply[:MOST_CHARACTERS])
    step.report(LtmWriteRequested(**turn, user_id=options.user_id, payload=spoken))


def memory_of(step: Step) -> MemoryOptions | None:
    """Return the memory that the session uses; None without one."""
    session = step.state.session
    if not isinstance(session, RealtimeSession) or session.antiphon is UNSET:
        return None
    return session.antiphon.memory or None


def _turn(step: Step, turn: int) -> dict[str, Any]:
    session_id = step.session_id
    return {
        "correlation_id": f"{session_id}#{turn}",
        "session_id": session_id,
        "turn": turn,
        "ts": round(step.now, 3),
    }


def _since_ms(start: float, end: float) -> float:
    return round(max(0.0, end - start) * 1000, 1)
