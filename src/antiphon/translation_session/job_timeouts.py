"""Timeouts of jobs that give no result: no worker has claimed the job, or its worker hangs.

A result of one job restarts the timeouts of all jobs of its stage: they share a queue whose workers are active.
"""

from __future__ import annotations

from antiphon.translation_session.state import Component, State, Utterance

COMPONENTS: dict[str, Component] = {"transcribe": "stt", "translate": "translation", "speak": "tts"}
"""The component that does the work of each stage."""
_COARSE_S = 1.0
"""Smallest extension of a due time, so that most results need not reset a timer."""


def due_at(state: State) -> float | None:
    """Return when the next `Tick` is due, seconds; None if none is."""
    times = [one.due for one in state.utterances if one.due]
    if state.close_due and not state.closed:
        times.append(state.close_due)
    return min(times, default=None)


def start(state: State, utterance: Utterance, job_id: str, now: float) -> None:
    """Set the job of an utterance and start its timeout."""
    utterance.job_id, utterance.due = job_id, now + state.job_timeout_s


def end(utterance: Utterance) -> None:
    """Record that no job of an utterance is running."""
    utterance.job_id, utterance.due = "", 0.0


def progress(state: State, stage: str, now: float) -> None:
    """Restart the timeouts of a stage that has given a result."""
    due = now + state.job_timeout_s
    for one in state.utterances:
        if one.stage == stage and one.due and due - one.due >= _COARSE_S:
            one.due = due


def overdue(state: State, now: float) -> list[Utterance]:
    """Return the utterances whose jobs have timed out."""
    return [one for one in state.utterances if one.due and one.due <= now]
