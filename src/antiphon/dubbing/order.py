"""The order of a stream: results leave by their numbers, each number once; a gap that stays open is announced."""

from __future__ import annotations

from antiphon.dubbing import window
from antiphon.dubbing.state import Remembered, Rules, State
from antiphon.dubbing.step import Step
from antiphon.text.quoting import quoted
from antiphon.wire.dubbing_client import FragmentData

_LONGEST_GAP_S = 8.0


def open_base(state: State, fragment: FragmentData) -> None:
    """The first fragment of a stream that was resumed says where it continues: at 0, or with what was not received.

    What is delivered once more from memory says nothing, but for number 0.
    """
    number = fragment.sequence_number
    if state.base_open and (number == 0 or number >= state.expected or fragment.fragment_id not in state.memory):
        state.base_open = False
        state.expected = min(number, state.expected)


def takes_number(step: Step, fragment: FragmentData, known: Remembered | None) -> bool:
    """Say whether a fragment's number is free, or answer who has it; a retry has its own already."""
    state, number = step.state, fragment.sequence_number
    holder = next((one for one in state.flights.values() if one.sequence == number), None)
    if holder is None and (number >= state.expected or known is not None):
        return True
    why = f"is taken by fragment {quoted(holder.fragment_id)}" if holder else "is behind what was delivered"
    step.refuse(
        "INVALID_SEQUENCE",
        f"Sequence number {number} {why}.",
        fragment_id=fragment.fragment_id,
        expected=state.expected,
        received=number,
    )
    return False


def deliver_ready(step: Step) -> None:
    """Deliver every result whose turn it is; the retry of a number that has passed waits for no other."""
    for flight in [one for one in step.state.flights.values() if one.is_retry and one.result]:
        window.deliver(step, flight)
    while _deliver_next(step):
        pass


def gap_due(state: State, rules: Rules) -> float | None:
    """Return when the gap that holds up results is passed over; None where there is none."""
    if state.gap_since is None:
        return None
    gap_s = min(state.timeout_s, _LONGEST_GAP_S) if rules.gap_s is None else rules.gap_s
    return state.gap_since + gap_s


def _deliver_next(step: Step) -> bool:
    """Deliver the fragment whose turn it is, or pass over a gap whose time is over; False when one must wait."""
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
    _pass_over(step, min(waiting))
    return True


def _pass_over(step: Step, received: int) -> None:
    state = step.state
    missing = f"{state.expected}" if received == state.expected + 1 else f"{state.expected} to {received - 1}"
    step.refuse(
        "INVALID_SEQUENCE",
        f"Sequence number {missing} did not come.",
        expected=state.expected,
        received=received,
    )
    state.expected, state.gap_since = received, None
