"""Resumes a conversation whose gateway was lost.

Results of workers stay in the session's pipe, and the machine is deterministic: a saved state and the later entries
of the pipe restore the conversation with the same ids. So every other step that allocates an id or starts a job must
be saved before its effects are visible outside.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from antiphon.conversation import job_timeouts, response, response_items, turn
from antiphon.conversation.effects import DropSpeech, Effect, ForgetInput
from antiphon.conversation.inputs import AudioMade, Resumed
from antiphon.conversation.state import State
from antiphon.conversation.step import Step
from antiphon.wire.realtime_server import SessionCreated, SessionExtras, SessionResumed

_MOST_DIGITS = 18


def is_noticeable(effects: Sequence[Effect], given_out: int) -> bool:
    """Say whether a step must be saved before its effects are carried out; ``given_out`` counts its new ids."""
    return given_out > 0 or any(not isinstance(effect, ForgetInput | DropSpeech) for effect in effects)


def resume(step: Step, event: Resumed) -> None:
    """Continue, and tell the client from where to send uncommitted audio again."""
    state = step.state
    state.counter = max(state.counter, event.counter)
    job_timeouts.restart(step)
    was_speaking = bool(state.buffer.speech_item)
    start_ms = turn.lose_input(step)
    if not event.keeps_answers:
        for found in list(state.responses.values()):
            response.abandon(step, found)
    elif was_speaking and not state.active:
        response_items.await_idle(step)
    step.send(
        SessionResumed,
        session_id=state.session.id,
        audio_start_ms=start_ms,
        client_event_id=state.client_event,
    )


def held_refs(state: State) -> set[int]:
    """Return the refs of speech that is held back."""
    waiting = [event for found in state.responses.values() for event in found.held]
    if state.speculation is not None:
        waiting += state.speculation.held
    return {event.ref for event in waiting if isinstance(event, AudioMade)}


def speakers(state: State) -> list[str]:
    """Return the TTS jobs of responses in progress."""
    return [found.speak_job_id for found in state.responses.values() if found.speak_job_id]


def number_of(event_id: str, seed: str) -> int | None:
    """Return the number of an event id of the conversation with this seed; None for an event of another one."""
    stem = f"event_{seed}"
    digits = event_id.removeprefix(stem).partition("r")[0]
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS
    return int(digits) if event_id.startswith(stem) and is_number else None


def greeting(state: State, event_id: str) -> SessionCreated:
    """Return ``session.created``, for a new or a resumed session."""
    extras = SessionExtras(state.resume_token) if state.resume_token else UNSET
    return SessionCreated(event_id=event_id, session=state.session, antiphon=extras)


def greeting_id(state: State, number: int, epoch: int) -> str:
    """Return the id of the greeting to a client that resumes after event ``number``; it sorts right after that."""
    return f"event_{state.seed}{number:07d}r{epoch}"
