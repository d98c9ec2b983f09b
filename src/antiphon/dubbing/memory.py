"""The results that a stream remembers: a fragment that is sent again gets its result without a new job."""

from __future__ import annotations

from msgspec import UNSET
from msgspec.structs import replace

from antiphon.dubbing.effects import Deliver, Forget
from antiphon.dubbing.state import Flight, Remembered
from antiphon.dubbing.step import Step
from antiphon.wire.dubbing_client import FragmentData
from antiphon.wire.dubbing_server import FragmentProcessed


def remember(step: Step, flight: Flight, result: FragmentProcessed, *, counted_in: str) -> None:
    """Keep a result in place of its predecessor, and forget the oldest above the limits."""
    memory, rules = step.state.memory, step.rules
    before = memory.pop(flight.fragment_id, None)
    if before is not None and before.job_id != flight.job_id:
        step.do(Forget(before.job_id))
    memory[flight.fragment_id] = Remembered(result, counted_in, flight.job_id, flight.audio_bytes, step.now)
    while len(memory) > rules.keep_results or sum(one.audio_bytes for one in memory.values()) > rules.keep_bytes:
        _forget(step, next(iter(memory)))


def forget_old(step: Step) -> None:
    """Forget expired results."""
    for fragment_id in [key for key, one in step.state.memory.items() if one.at + step.rules.keep_s <= step.now]:
        _forget(step, fragment_id)


def forget_all(step: Step) -> None:
    """Forget every result."""
    for fragment_id in list(step.state.memory):
        _forget(step, fragment_id)


def _forget(step: Step, fragment_id: str) -> None:
    step.do(Forget(step.state.memory.pop(fragment_id).job_id))


def deliver_again(step: Step, known: Remembered, fragment: FragmentData) -> None:
    """Send a remembered result once more."""
    audio = known.job_id if known.audio_bytes else ""
    step.do(Deliver(renumbered(known.result, fragment), audio, again=True))


def may_be_retried(result: FragmentProcessed) -> bool:
    """Say whether a fragment with this result is processed again if it is sent again."""
    return result.status == "failed" and result.error is not UNSET and result.error.retryable


def renumbered(result: FragmentProcessed, fragment: FragmentData) -> FragmentProcessed:
    """Return a result with the number that its fragment has now."""
    return replace(result, sequence_number=fragment.sequence_number)
