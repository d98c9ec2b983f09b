"""The stream machine: maps events of a worker and results of jobs to events to send and jobs to start.

It has no I/O and no clock: every input comes with the time. Fragments are processed concurrently; their results are
delivered in order, each once, and a gap that stays open is announced.
"""

from __future__ import annotations

from typing import Any, assert_never

from msgspec import UNSET

from antiphon.dubbing import memory, order, orphans, results, simulation, window
from antiphon.dubbing.effects import Close, Effect
from antiphon.dubbing.inputs import Begun, Done, Ended, Input, Lost, Offered, Paused, Resumed, Simulated, Ticked
from antiphon.dubbing.state import Phase, Rules, State
from antiphon.dubbing.step import Step
from antiphon.dubbing.tally import Tally
from antiphon.errors import InvalidRequest
from antiphon.wire.dubbing_client import MAX_AUDIO_BASE64, FragmentData, StreamCommand, StreamInit, parse
from antiphon.wire.dubbing_server import CAPABILITIES, ServerCapabilities, StreamReady


class Stream:
    """One stream of fragments."""

    def __init__(self, state: State, rules: Rules) -> None:
        self.state = state
        self._rules = rules

    def receive(self, event: Input, now: float) -> list[Effect]:
        """Apply one input and return its effects, in order."""
        step = Step(self.state, self._rules, now)
        _dispatch(step, event)
        _advance(step)
        return step.effects

    @property
    def stream_id(self) -> str:
        """The worker's name of the stream; empty before it has begun."""
        return self.state.stream_id

    @property
    def in_flight(self) -> int:
        """Number of fragments that were accepted and not delivered."""
        return len(self.state.flights)

    @property
    def can_resume(self) -> bool:
        """True if the stream is worth resuming: it has not ended, and had fragments."""
        state = self.state
        return state.phase in ("ready", "paused") and bool(state.memory or state.orphans or state.expected)

    @property
    def next_due(self) -> float | None:
        """When the next timeout is due: pass `Ticked` then."""
        state = self.state
        times = [one.due for one in (*state.flights.values(), *state.orphans.values()) if one.result is None]
        if (gap_due := order.gap_due(state, self._rules)) is not None:
            times.append(gap_due)
        times.extend(one.at + self._rules.keep_s for one in list(state.memory.values())[:1])
        return min(times, default=None)


def parse_init(payload: object) -> StreamInit:
    """Parse the payload of ``stream:init``. Raises `InvalidRequest`."""
    return parse(payload, StreamInit)


def _dispatch(step: Step, event: Input) -> None:
    match event:
        case Begun():
            _begin(step, event)
        case Offered():
            _offered(step, event)
        case Paused():
            _command(step, event.command, {"ready": "paused"})
        case Resumed():
            _command(step, event.command, {"paused": "ready"})
        case Ended():
            _command(step, event.command, {"ready": "ending", "paused": "ending"})
        case Done():
            results.done(step, event)
        case Simulated():
            simulation.configure(step, event)
        case Lost():
            orphans.lose(step)
        case Ticked():
            results.time_out(step)
            orphans.time_out(step)
            memory.forget_old(step)
        case _:
            assert_never(event)


def _begin(step: Step, event: Begun) -> None:
    state = step.state
    if state.flights:
        message = "A stream cannot begin again while fragments are in flight."
        step.refuse("INVALID_CONFIG", message, stream_id=event.init.stream_id)
        return
    state.base_open = state.phase in ("ready", "paused") or event.expected is not None
    if state.phase not in ("ready", "paused"):
        state.expected = event.expected or 0
    if state.init is not None and state.init.config != event.init.config:  # results belong to the former configuration
        orphans.abandon_all(step)
        memory.forget_all(step)
    state.init, state.session_id, state.phase = event.init, event.session_id, "ready"
    state.tally, state.band, state.accepted, state.simulation = Tally(), 0, 0, ()
    server = ServerCapabilities()
    step.send(
        "stream:ready",
        StreamReady(
            stream_id=event.init.stream_id,
            session_id=event.session_id,
            max_inflight=event.init.max_inflight,
            capabilities=server if step.rules.capabilities == "object" else CAPABILITIES,
            server_capabilities=server if step.rules.capabilities == "both" else UNSET,
        ),
    )


def _command(step: Step, command: StreamCommand, moves: dict[Phase, Phase]) -> None:
    """Change the phase by ``moves``; ignore the command in other phases."""
    if not step.is_mine(command.stream_id):
        step.not_found(command.stream_id or "")
    else:
        step.state.phase = moves.get(step.state.phase, step.state.phase)


def _offered(step: Step, event: Offered) -> None:
    fragment = _checked(step, event.payload)
    if fragment is None:
        return
    state = step.state
    known = state.memory.get(fragment.fragment_id)
    order.open_base(state, fragment)
    if fragment.fragment_id in state.flights:
        window.acknowledge(step, state.flights[fragment.fragment_id], event.wall_ms, "processing")
    elif known is not None and not memory.may_be_retried(known.result) and fragment.sequence_number < state.expected:
        memory.deliver_again(step, known, fragment)
    elif order.takes_number(step, fragment, known):
        window.accept(step, fragment, known, event)


def _checked(step: Step, payload: Any) -> FragmentData | None:
    """Return a valid fragment, or answer with an error: checks the stream's phase, then the size, then the fields."""
    about = payload if isinstance(payload, dict) else {}
    stream_id, fragment_id = _text(about.get("stream_id")), _text(about.get("fragment_id"))
    if not step.is_mine(stream_id or None) or step.state.phase in ("initializing", "ending", "completed"):
        step.not_found(stream_id, fragment_id)
        return None
    if step.state.phase == "paused":
        step.refuse("STREAM_PAUSED", "The stream is paused.", fragment_id=fragment_id)
        return None
    audio = about.get("audio")
    data = audio.get("data_base64") if isinstance(audio, dict) else None
    if isinstance(data, str) and len(data) > MAX_AUDIO_BASE64:
        message = "The fragment's audio is longer than 10 MiB."
        step.refuse("FRAGMENT_TOO_LARGE", message, fragment_id=fragment_id, param="audio.data_base64")
        return None
    try:
        return parse(payload, FragmentData)
    except InvalidRequest as error:
        step.refuse("INVALID_CONFIG", error.message, fragment_id=fragment_id, param=error.param)
        return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _advance(step: Step) -> None:
    """Deliver the results that are ready, and complete an ending stream after its last one."""
    state = step.state
    order.deliver_ready(step)
    if state.phase == "ending" and not state.flights:
        state.phase = "completed"
        step.send("stream:complete", state.tally.complete(state.stream_id))
        orphans.abandon_all(step)
        step.do(Close())
