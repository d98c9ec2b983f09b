"""Jobs that show no result for too long: no worker claims them, or the one that did hangs.

A result of one job gives all jobs of its stage time again: they wait in one queue, and its workers are at work.
"""

from __future__ import annotations

from antiphon.translation_session.state import Component, State, Utterance

COMPONENTS: dict[str, Component] = {"transcribe": "stt", "translate": "translation", "speak": "tts"}
"""What does the work of each stage."""
_COARSE_S = 1.0
"""A due time is put off by no less, so that most results set no timer again."""


def due_at(state: State) -> float | None:
    """Return when time alone changes something, seconds."""
    times = [one.due for one in state.utterances if one.due]
    if state.close_due and not state.closed:
        times.append(state.close_due)
    return min(times, default=None)


def start(state: State, utterance: Utterance, job_id: str, now: float) -> None:
    """A job of an utterance is submitted."""
    utterance.job_id, utterance.due = job_id, now + state.job_timeout_s


def end(utterance: Utterance) -> None:
    """No job of an utterance is out any more."""
    utterance.job_id, utterance.due = "", 0.0


def progress(state: State, stage: str, now: float) -> None:
    """A job of this stage has shown a result."""
    due = now + state.job_timeout_s
    for one in state.utterances:
        if one.stage == stage and one.due and due - one.due >= _COARSE_S:
            one.due = due


def overdue(state: State, now: float) -> list[Utterance]:
    """Return the utterances whose jobs have timed out."""
    return [one for one in state.utterances if one.due and one.due <= now]
