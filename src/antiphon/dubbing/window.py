"""The window of a stream: accepts fragments, starts their jobs, and delivers their results."""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from antiphon.dubbing import memory, results, simulation
from antiphon.dubbing.backpressure import announcement
from antiphon.dubbing.effects import Deliver, Start
from antiphon.dubbing.inputs import Offered
from antiphon.dubbing.state import Flight, Remembered
from antiphon.dubbing.step import Step
from antiphon.errors import InvalidRequest
from antiphon.wire.dubbing_client import FragmentData, check_audio
from antiphon.wire.dubbing_server import FragmentAck

_GRACE_S = 0.25
"""Added to a fragment's timeout, so that its job times out first and can report its stage."""
_MINUTE_S = 60.0


def accept(step: Step, fragment: FragmentData, known: Remembered | None, event: Offered) -> None:
    """Accept a fragment and start its job, unless its result is known; or answer with an error."""
    if not _has_room(step, fragment):
        return
    try:
        check_audio(fragment.audio, is_decoded=event.audio is not None)
    except InvalidRequest as error:
        code = "INVALID_AUDIO_FORMAT"
        step.refuse(code, error.message, fragment_id=fragment.fragment_id, param=error.param)
        return
    orphan = step.state.orphans.pop(fragment.fragment_id, None)
    flight = _flight(step, fragment, known, orphan)
    step.state.accepted += 1
    step.state.flights[fragment.fragment_id] = flight
    is_new = orphan is None and flight.result is None
    acknowledge(step, flight, event.wall_ms, "queued" if is_new else "processing")
    _announce_band(step)
    if is_new and event.audio is not None:
        _start(step, flight, fragment, event.audio)


def acknowledge(step: Step, flight: Flight, wall_ms: int, status: Literal["queued", "processing"]) -> None:
    """Acknowledge a fragment, with an estimate of when its result is ready."""
    state = step.state
    before = sum(one.result is None and one.since < flight.since for one in state.flights.values())
    usual_ms = state.tally.average_ms or (state.init.config.chunk_duration_ms if state.init else 0)
    step.send(
        "fragment:ack",
        FragmentAck(
            fragment_id=flight.fragment_id,
            status=status,
            timestamp=wall_ms,
            queue_position=before,
            estimated_completion_ms=0 if flight.result else round(usual_ms * (before + 1)),
        ),
    )


def deliver(step: Step, flight: Flight) -> None:
    """Send a fragment's result, count it, and move it from the window to the memory."""
    state, result = step.state, flight.result
    assert result is not None  # noqa: S101 - narrows the type: callers have checked it
    if flight.counted_as is None:
        state.tally.add(result, flight.audio_ms)
    else:
        state.tally.replace(flight.counted_as, result)
    del state.flights[flight.fragment_id]
    audio = flight.job_id if flight.audio_bytes else ""
    step.do(Deliver(result, audio, again=flight.is_retry))
    memory.remember(step, flight, result, counted_in=state.session_id)
    _announce_band(step)


def _has_room(step: Step, fragment: FragmentData) -> bool:
    """Say whether the window and the rate limit have room, or answer with an error."""
    state, rules = step.state, step.rules
    if len(state.flights) >= rules.thresholds.critical:
        step.refuse(
            "BACKPRESSURE_EXCEEDED",
            f"{len(state.flights)} fragments are in flight; send this one again later.",
            fragment_id=fragment.fragment_id,
            current_inflight=len(state.flights),
            max_inflight=state.max_inflight,
        )
        return False
    if rules.fragments_per_min:
        state.accepted_at = [at for at in state.accepted_at if at > step.now - _MINUTE_S]
        if len(state.accepted_at) >= rules.fragments_per_min:
            message = f"More than {rules.fragments_per_min} fragments in a minute."
            step.refuse("RATE_LIMIT", message, fragment_id=fragment.fragment_id)
            return False
        state.accepted_at.append(step.now)
    return True


def _flight(step: Step, fragment: FragmentData, known: Remembered | None, orphan: Flight | None) -> Flight:
    """Return the flight of a fragment: a new one, one with a job in progress, or one with a known result."""
    state, number = step.state, fragment.sequence_number
    state.counter += 1
    flight = Flight(
        fragment_id=fragment.fragment_id,
        sequence=number,
        job_id=f"{state.seed}{state.counter}" if orphan is None else orphan.job_id,
        since=step.now if orphan is None else orphan.since,
        due=step.now + state.timeout_s + _GRACE_S,
        audio_ms=fragment.audio.duration_ms,
        is_retry=number < state.expected,
    )
    if known is None:
        return flight
    if flight.is_retry:
        flight.counted_as = known.result if known.counted_in == state.session_id else None
    elif not memory.may_be_retried(known.result):
        flight.job_id, flight.audio_bytes = known.job_id, known.audio_bytes
        flight.result = memory.renumbered(known.result, fragment)
        del state.memory[fragment.fragment_id]  # it is remembered again when it is delivered
    return flight


def _start(step: Step, flight: Flight, fragment: FragmentData, audio: int) -> None:
    state = step.state
    if (error := simulation.simulated_error(state, fragment)) is not None:
        results.fail(step, flight, error)
        return
    begins_ms = fragment.pts_ms
    if begins_ms is None:
        before = [one.audio_ms for one in state.flights.values() if one.sequence < flight.sequence]
        begins_ms = state.tally.audio_ms + sum(before)
    slim = replace(fragment, audio=replace(fragment.audio, data_base64=""), metadata=None)
    step.do(Start(flight.job_id, slim, audio, begins_ms, state.timeout_s))


def _announce_band(step: Step) -> None:
    """Announce a change of the severity band."""
    state, in_flight = step.state, len(step.state.flights)
    band = step.rules.thresholds.band(in_flight)
    if band == state.band:
        return
    state.band = band
    event = announcement(
        band,
        stream_id=state.stream_id,
        in_flight=in_flight,
        max_inflight=state.max_inflight,
        queue_depth=sum(one.result is None for one in state.flights.values()),
    )
    step.send("backpressure", event)
