"""The order of a stream: results are delivered by number, each once; a gap that stays open is announced."""

from __future__ import annotations

from antiphon.dubbing import window
from antiphon.dubbing.state import Remembered, Rules, State
from antiphon.dubbing.step import Step
from antiphon.text.quoting import quoted
from antiphon.wire.dubbing_client import FragmentData

_LONGEST_GAP_S = 8.0


def open_base(state: State, fragment: FragmentData) -> None:
    """Continue a resumed stream at its first fragment: at 0, or at the first result that the worker did not receive.

    Fragments that are delivered again from memory do not count, except number 0.
    """
    number = fragment.sequence_number
    if state.base_open and (number == 0 or number >= state.expected or fragment.fragment_id not in state.memory):
        state.base_open = False
        state.expected = min(number, state.expected)


def takes_number(step: Step, fragment: FragmentData, known: Remembered | None) -> bool:
    """Say whether a fragment's number is free, or answer with an error. A retry keeps its own number."""
    state, number = step.state, fragment.sequence_number
    holder = next((one for one in state.flights.values() if one.sequence == number), None)
    if holder is None and (number >= state.expected or known is not None):
        return True
    why = f"is taken by fragment {quoted(holder.fragment_id)}" if holder else "was passed already"
    step.refuse(
        "INVALID_SEQUENCE",
        f"Sequence number {number} {why}.",
        fragment_id=fragment.fragment_id,
        expected=state.expected,
        received=number,
    )
    return False


def deliver_ready(step: Step) -> None:
    """Deliver every result whose turn it is; retries of passed numbers do not wait for others."""
    for flight in [one for one in step.state.flights.values() if one.is_retry and one.result]:
        window.deliver(step, flight)
    while _deliver_next(step):
        pass


def gap_due(state: State, rules: Rules) -> float | None:
    """Return when the gap that holds up results is skipped; None if there is none."""
    if state.gap_since is None:
        return None
    gap_s = min(state.timeout_s, _LONGEST_GAP_S) if rules.gap_s is None else rules.gap_s
    return state.gap_since + gap_s


def _deliver_next(step: Step) -> bool:
    """Deliver the next result, or skip a gap that is due; return False if neither is possible yet."""
    state = step.state
    waiting = {one.sequence: one for one in state.flights.values() if not one.is_retry}
    flight = waiting.get(state.expected)
    if flight is not None:
        state.gap_since = None
        if flight.result is None:
            return False
        state.expected += 1
        window.deliver(step, flight)
        return True
    if not any(one.result for one in waiting.values()):
        state.gap_since = None
        return False
    if state.gap_since is None:
        state.gap_since = step.now
    due = gap_due(state, step.rules)
    if state.phase != "ending" and due is not None and step.now < due:
        return False
    _skip_gap(step, min(waiting))
    return True


def _skip_gap(step: Step, received: int) -> None:
    state = step.state
    missing = f"{state.expected}" if received == state.expected + 1 else f"{state.expected} to {received - 1}"
    step.refuse(
        "INVALID_SEQUENCE",
        f"Sequence number {missing} was not received.",
        expected=state.expected,
        received=received,
    )
    state.expected, state.gap_since = received, None
