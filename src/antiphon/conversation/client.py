"""Handles the client's events and the audio that it appends."""

from __future__ import annotations

from typing import assert_never

from antiphon.audio.ticks import TICKS_PER_S, from_ms
from antiphon.conversation import degraded, items, playout, response, session, speculation, turn
from antiphon.conversation.inputs import AudioAppended, Received
from antiphon.conversation.state import State
from antiphon.conversation.step import EventRefused, Step
from antiphon.wire.realtime_client import (
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemRetrieve,
    ConversationItemTruncate,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    OutputAudioBufferClear,
    ResponseCancel,
    ResponseCreate,
    SessionUpdate,
)


def receive(step: Step, event: Received) -> None:
    """Handle a client event. Raises `EventRefused`."""
    message = event.message
    match message:
        case SessionUpdate():
            before, was_told = step.state.session.audio.input.turn_detection, degraded.is_told(step)
            session.update(step, message.session)
            turn.detection_changed(step, before)
            degraded.catch_up(step, was_told=was_told)
        case InputAudioBufferCommit():
            turn.commit(step)
        case InputAudioBufferClear():
            turn.clear(step)
        case ResponseCreate():
            response.create(step, message.response)
        case ResponseCancel():
            response.cancel(step, message)
        case ConversationItemCreate():
            items.create(step, message, event.audio_ticks)
        case ConversationItemRetrieve():
            items.retrieve(step, message)
            return
        case ConversationItemDelete():
            items.delete(step, message)
        case ConversationItemTruncate():
            _truncate(step, message)
        case OutputAudioBufferClear():
            raise EventRefused(
                "output_audio_buffer.clear is only for WebRTC and SIP: over a WebSocket the client controls playout.",
                code="invalid_value",
                param="type",
            )
        case _:
            assert_never(message)
    speculation.drop(step)  # the speculative response was made without this change


def append(step: Step, event: AudioAppended) -> None:
    """Count the audio that the client has appended. Raises `EventRefused` if the buffer is full."""
    state = step.state
    if not has_room(state, event.ticks):
        raise EventRefused(
            f"The input audio buffer holds at most {state.rules.max_buffer_s:g} s of audio; commit or clear it.",
            code="input_audio_buffer_full",
            param="audio",
        )
    state.buffer.written += event.ticks
    if state.buffer.silence_start is not None:
        turn.on_silence(step)


def has_room(state: State, ticks: int) -> bool:
    """Say whether the input buffer has room for this much more audio."""
    buffer = state.buffer
    return (buffer.written + ticks - buffer.start) / TICKS_PER_S <= state.rules.max_buffer_s


def _truncate(step: Step, message: ConversationItemTruncate) -> None:
    """Cut an item where the client says, at most at its end. A response in progress is cancelled."""
    record, speech = playout.truncatable(step, message)
    active = step.state.responses.get(step.state.active)
    if active is not None and record.item.status == "in_progress":
        response.end(step, active, "cancelled", "client_cancelled")
    playout.cut(step, record, speech, min(from_ms(message.audio_end_ms), playout.longest(speech)))
