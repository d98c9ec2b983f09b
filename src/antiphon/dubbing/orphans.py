"""Fragments of a lost connection: their jobs continue, within bounds, for the case that the stream is resumed."""

from __future__ import annotations

from antiphon.dubbing import memory
from antiphon.dubbing.effects import Cancel
from antiphon.dubbing.state import Flight
from antiphon.dubbing.step import Step


def lose(step: Step) -> None:
    """Handle a lost connection: jobs in flight continue, unless the worker had ended the stream."""
    state = step.state
    for flight in state.flights.values():
        if flight.result is not None:
            memory.remember(step, flight, flight.result, counted_in="")
        else:
            state.orphans[flight.fragment_id] = flight
    state.flights, state.gap_since = {}, None
    most = step.rules.thresholds.critical if state.phase in ("ready", "paused") else 0
    for flight in list(state.orphans.values())[: max(0, len(state.orphans) - most)]:
        _abandon(step, flight)


def time_out(step: Step) -> None:
    """Cancel those that are due, without an event."""
    for flight in [one for one in step.state.orphans.values() if one.due <= step.now]:
        _abandon(step, flight)


def abandon_all(step: Step) -> None:
    """Cancel all of them."""
    for flight in list(step.state.orphans.values()):
        _abandon(step, flight)


def _abandon(step: Step, orphan: Flight) -> None:
    step.do(Cancel(orphan.job_id))
    del step.state.orphans[orphan.fragment_id]
