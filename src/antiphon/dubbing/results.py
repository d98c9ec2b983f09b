"""Results of fragments: from jobs, from timeouts, and from errors."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType

from antiphon.dubbing import memory
from antiphon.dubbing.codes import NATURES
from antiphon.dubbing.effects import Cancel, Forget
from antiphon.dubbing.inputs import Done
from antiphon.dubbing.state import Flight
from antiphon.dubbing.step import Step
from antiphon.entities.dubbing import ProcessingError
from antiphon.wire.dubbing_server import FragmentProcessed


def done(step: Step, event: Done) -> None:
    """Handle the result of a job; drop it if its fragment is not in flight."""
    state = step.state
    for flights in (state.flights, state.orphans):
        flight = next((one for one in flights.values() if one.job_id == event.job_id and not one.result), None)
        if flight is not None:
            flight.audio_bytes = event.audio_bytes
            _finish(step, flight, event)
            return
    step.do(Forget(event.job_id))


def fail(step: Step, flight: Flight, error: ProcessingError) -> None:
    """Fail a fragment without a job's result."""
    _finish(step, flight, Done(flight.job_id, "failed", error=error))


def time_out(step: Step) -> None:
    """Fail the fragments that are due."""
    for flight in [one for one in step.state.flights.values() if one.result is None and one.due <= step.now]:
        step.do(Cancel(flight.job_id))
        message, retryable = "The fragment timed out.", NATURES["TIMEOUT"].retryable
        fail(step, flight, ProcessingError(stage="asr", code="TIMEOUT", message=message, retryable=retryable))


def _finish(step: Step, flight: Flight, event: Done) -> None:
    result = _result(step, flight, event)
    if step.state.orphans.pop(flight.fragment_id, None) is not None:
        memory.remember(step, flight, result, counted_in="")
    else:
        flight.result = result


def _result(step: Step, flight: Flight, event: Done) -> FragmentProcessed:
    return FragmentProcessed(
        fragment_id=flight.fragment_id,
        stream_id=step.state.stream_id,
        sequence_number=flight.sequence,
        status=event.status,
        processing_time_ms=max(0, round((step.now - flight.since) * 1000)),
        transcript=_unless_none(event.transcript),
        translated_text=_unless_none(event.translated_text),
        stage_timings=event.timings,
        error=_unless_none(event.error),
        warnings=event.warnings or UNSET,
        metadata=_unless_none(event.metadata),
    )


def _unless_none(value: Any) -> Any | UnsetType:
    return UNSET if value is None else value
