"""The stream machine: takes what a worker sends and what became of its fragments, says what to send and to start.

It has no I/O and no clock: every input comes with the time. Fragments are worked on side by side; their results leave
in the order of their numbers, each once, and a hole that stays open is announced.
"""

from __future__ import annotations

from typing import Any, assert_never

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from antiphon.dubbing.backpressure import announcement
from antiphon.dubbing.codes import NATURES
from antiphon.dubbing.effects import Cancel, Close, Deliver, Effect, Forget, Send, Start
from antiphon.dubbing.inputs import Begun, Done, Ended, Input, Lost, Offered, Paused, Resumed, Simulated, Ticked
from antiphon.dubbing.state import Flight, Phase, Remembered, Rules, State
from antiphon.dubbing.tally import Tally
from antiphon.errors import InvalidRequest
from antiphon.text.quoting import handle, quoted
from antiphon.wire.dubbing_client import (
    MAX_AUDIO_BASE64,
    FragmentData,
    SimulationRule,
    StreamCommand,
    StreamInit,
    decode_audio,
    parse,
)
from antiphon.wire.dubbing_server import (
    CAPABILITIES,
    DubbingError,
    FragmentAck,
    FragmentProcessed,
    ProcessingError,
    ServerCapabilities,
    SimulationAck,
    Stage,
    StreamReady,
)

_LONGEST_GAP_S = 8.0
_GRACE_S = 0.25
"""So long after its time-out a fragment is given up here: who works on it says better where it stood."""
_MINUTE_S = 60.0


class Stream:
    """One stream of fragments."""

    def __init__(self, state: State, rules: Rules) -> None:
        self.state = state
        self._rules = rules
        self._effects: list[Effect] = []
        self._now = 0.0

    def receive(self, event: Input, now: float) -> list[Effect]:
        """Work one input in and return what is to be done, in order."""
        self._effects, self._now = [], now
        self._dispatch(event)
        self._advance()
        return self._effects

    @property
    def stream_id(self) -> str:
        """As the worker calls it; empty before it has."""
        return self.state.init.stream_id if self.state.init else ""

    @property
    def in_flight(self) -> int:
        """Fragments that were accepted and not delivered."""
        return len(self.state.flights)

    @property
    def may_go_on(self) -> bool:
        """True where a worker that comes back would find something: its stream is not over, and had fragments."""
        state = self.state
        return state.phase in ("ready", "paused") and bool(state.memory or state.orphans or state.expected)

    @property
    def next_due(self) -> float | None:
        """When time alone changes something: tell `Ticked` then."""
        state = self.state
        times = [one.due for one in (*state.flights.values(), *state.orphans.values()) if one.result is None]
        if state.gap_since is not None:
            times.append(state.gap_since + self._gap_s)
        times.extend(one.at + self._rules.keep_s for one in list(state.memory.values())[:1])
        return min(times, default=None)

    def _dispatch(self, event: Input) -> None:
        match event:
            case Begun():
                self._begin(event)
            case Offered():
                self._offered(event)
            case Paused():
                self._command(event.command, {"ready": "paused"})
            case Resumed():
                self._command(event.command, {"paused": "ready"})
            case Ended():
                self._command(event.command, {"ready": "ending", "paused": "ending"})
            case Done():
                self._done(event)
            case Simulated():
                self._simulate(event)
            case Lost():
                self._lost()
            case Ticked():
                self._ticked()
            case _:
                assert_never(event)

    # -- life --------------------------------------------------------------------------------------------------------
    def _begin(self, event: Begun) -> None:
        state = self.state
        if state.flights:
            message = "A stream cannot begin anew while fragments are in flight."
            self._refuse("INVALID_CONFIG", message, stream_id=event.init.stream_id)
            return
        state.base_open = state.phase in ("ready", "paused") or event.expected is not None
        if state.phase not in ("ready", "paused"):
            state.expected = event.expected or 0
        if state.init is not None and state.init.config != event.init.config:
            self._disown()
        state.init, state.session_id, state.phase = event.init, event.session_id, "ready"
        state.tally, state.band, state.accepted, state.simulation = Tally(), 0, 0, ()
        server = ServerCapabilities()
        self._send(
            "stream:ready",
            StreamReady(
                stream_id=event.init.stream_id,
                session_id=event.session_id,
                max_inflight=event.init.max_inflight,
                capabilities=server if self._rules.capabilities == "object" else CAPABILITIES,
                server_capabilities=server if self._rules.capabilities == "both" else UNSET,
            ),
        )

    def _disown(self) -> None:
        """Forget what was made for another configuration."""
        for orphan in list(self.state.orphans.values()):
            self._abandon(orphan)
        for fragment_id in list(self.state.memory):
            self._forget(fragment_id)

    def _command(self, command: StreamCommand, moves: dict[Phase, Phase]) -> None:
        """Change the phase where the stream is in one that allows it; elsewhere nothing happens."""
        if not self._is_mine(command.stream_id):
            self._not_found(command.stream_id or "")
        else:
            self.state.phase = moves.get(self.state.phase, self.state.phase)

    def _is_mine(self, stream_id: str | None) -> bool:
        return self.state.init is not None and stream_id in (None, self.stream_id)

    def _lost(self) -> None:
        """The connection is gone: what is under way is done for whoever comes back, unless all was sent."""
        state = self.state
        for flight in state.flights.values():
            if flight.result is not None:
                self._remember(flight, flight.result, counted_in="")
            else:
                state.orphans[flight.fragment_id] = flight
        state.flights, state.gap_since = {}, None
        most = self._rules.thresholds.critical if state.phase in ("ready", "paused") else 0
        for flight in list(state.orphans.values())[: max(0, len(state.orphans) - most)]:
            self._abandon(flight)

    def _simulate(self, event: Simulated) -> None:
        if self.state.init is None:
            self._not_found("")
            return
        simulation = event.simulation
        self.state.simulation = simulation.rules if simulation.enabled else ()
        self._send("config:error_simulation:ack", SimulationAck(status="accepted", rules_count=len(simulation.rules)))

    def _ticked(self) -> None:
        state = self.state
        for flight in [one for one in state.flights.values() if one.result is None and one.due <= self._now]:
            self._effects.append(Cancel(flight.job_id))
            self._finish(flight, self._failed(flight, "asr", "TIMEOUT", "The fragment was not done in time."))
        for flight in [one for one in state.orphans.values() if one.due <= self._now]:
            self._abandon(flight)
        for fragment_id in [key for key, one in state.memory.items() if one.at + self._rules.keep_s <= self._now]:
            self._forget(fragment_id)

    def _abandon(self, orphan: Flight) -> None:
        self._effects.append(Cancel(orphan.job_id))
        del self.state.orphans[orphan.fragment_id]

    # -- fragments come ----------------------------------------------------------------------------------------------
    def _offered(self, event: Offered) -> None:
        fragment = self._checked(event.payload)
        if fragment is None:
            return
        known = self.state.memory.get(fragment.fragment_id)
        self._open_base(fragment)
        if fragment.fragment_id in self.state.flights:
            self._ack(self.state.flights[fragment.fragment_id], event.wall_ms, "processing")
        elif known is not None and not _may_be_retried(known.result) and fragment.sequence_number < self.state.expected:
            audio = known.job_id if known.audio_bytes else ""
            self._effects.append(Deliver(_renumbered(known.result, fragment), audio, again=True))
        elif self._is_in_sequence(fragment, known):
            self._accept(fragment, known, event.wall_ms)

    def _checked(self, payload: Any) -> FragmentData | None:
        """Return a fragment that may be taken, or answer why not: its stream's state first, its size, its shape."""
        about = payload if isinstance(payload, dict) else {}
        stream_id, fragment_id = _text(about.get("stream_id")), _text(about.get("fragment_id"))
        if not self._is_mine(stream_id or None) or self.state.phase in ("initializing", "ending", "completed"):
            self._not_found(stream_id, fragment_id)
            return None
        if self.state.phase == "paused":
            self._refuse("STREAM_PAUSED", "The stream is paused.", fragment_id=fragment_id)
            return None
        audio = about.get("audio")
        data = audio.get("data_base64") if isinstance(audio, dict) else None
        if isinstance(data, str) and len(data) > MAX_AUDIO_BASE64:
            message = "The fragment's audio is longer than 10 MiB."
            self._refuse("FRAGMENT_TOO_LARGE", message, fragment_id=fragment_id, param="audio.data_base64")
            return None
        try:
            return parse(payload, FragmentData)
        except InvalidRequest as error:
            self._refuse("INVALID_CONFIG", error.message, fragment_id=fragment_id, param=error.param)
            return None

    def _open_base(self, fragment: FragmentData) -> None:
        """The first fragment of a stream that was taken up says where it goes on: at 0, or with what was not received.

        What is delivered once more from memory says nothing, but for number 0.
        """
        state, number = self.state, fragment.sequence_number
        if state.base_open and (number == 0 or number >= state.expected or fragment.fragment_id not in state.memory):
            state.base_open = False
            state.expected = min(number, state.expected)

    def _is_in_sequence(self, fragment: FragmentData, known: Remembered | None) -> bool:
        """Say whether the number is free; a retry has its own already."""
        state, number = self.state, fragment.sequence_number
        holder = next((one for one in state.flights.values() if one.sequence == number), None)
        if holder is None and (number >= state.expected or known is not None):
            return True
        why = f"is taken by fragment {quoted(holder.fragment_id)}" if holder else "is behind what was delivered"
        self._refuse(
            "INVALID_SEQUENCE",
            f"Sequence number {number} {why}.",
            fragment_id=fragment.fragment_id,
            expected=state.expected,
            received=number,
        )
        return False

    def _accept(self, fragment: FragmentData, known: Remembered | None, wall_ms: int) -> None:
        if not self._has_room(fragment):
            return
        try:
            audio = decode_audio(fragment.audio)
        except InvalidRequest as error:
            code = "INVALID_AUDIO_FORMAT"
            self._refuse(code, error.message, fragment_id=fragment.fragment_id, param=error.param)
            return
        under_way = self.state.orphans.pop(fragment.fragment_id, None)
        flight = self._flight(fragment, known, under_way)
        self.state.accepted += 1
        self.state.flights[fragment.fragment_id] = flight
        is_new = under_way is None and flight.result is None
        self._ack(flight, wall_ms, "queued" if is_new else "processing")
        self._tell_band()
        if is_new:
            self._start(flight, fragment, audio)

    def _flight(self, fragment: FragmentData, known: Remembered | None, under_way: Flight | None) -> Flight:
        """Return a fragment's place in the window: a new one, one that is under way, or one whose result is at hand."""
        state, number = self.state, fragment.sequence_number
        state.counter += 1
        flight = Flight(
            fragment_id=fragment.fragment_id,
            sequence=number,
            job_id=f"{state.seed}{state.counter}" if under_way is None else under_way.job_id,
            since=self._now if under_way is None else under_way.since,
            due=self._now + self._timeout_s + _GRACE_S,
            audio_ms=fragment.audio.duration_ms,
            is_retry=number < state.expected,
        )
        if known is None:
            return flight
        if flight.is_retry:
            flight.counted_as = known.result if known.counted_in == state.session_id else None
        elif not _may_be_retried(known.result):
            flight.job_id, flight.audio_bytes = known.job_id, known.audio_bytes
            flight.result = _renumbered(known.result, fragment)
            del state.memory[fragment.fragment_id]  # it is remembered again when it is delivered
        return flight

    def _start(self, flight: Flight, fragment: FragmentData, audio: bytes) -> None:
        rule = next((one for one in self.state.simulation if self._matches(one, fragment)), None)
        if rule is None:
            begins_ms = fragment.pts_ms
            if begins_ms is None:
                before = [one.audio_ms for one in self.state.flights.values() if one.sequence < flight.sequence]
                begins_ms = self.state.tally.audio_ms + sum(before)
            slim = replace(fragment, audio=replace(fragment.audio, data_base64=""), metadata=None)
            self._effects.append(Start(flight.job_id, slim, audio, begins_ms, self._timeout_s))
            return
        error = ProcessingError(
            stage=rule.stage, code=rule.error_code, message=rule.error_message, retryable=rule.retryable
        )
        self._finish(flight, self._result(flight, Done(flight.job_id, "failed", error=error)))

    def _matches(self, rule: SimulationRule, fragment: FragmentData) -> bool:
        match rule.trigger:
            case "sequence_number":
                return fragment.sequence_number == rule.value
            case "fragment_id":
                return fragment.fragment_id == rule.value
            case "nth_fragment":
                return self.state.accepted % int(rule.value) == 0

    def _has_room(self, fragment: FragmentData) -> bool:
        state, rules = self.state, self._rules
        if len(state.flights) >= rules.thresholds.critical:
            message = f"{len(state.flights)} fragments are in flight; send this one again later."
            self._refuse(
                "BACKPRESSURE_EXCEEDED",
                message,
                fragment_id=fragment.fragment_id,
                current_inflight=len(state.flights),
                max_inflight=self._max_inflight,
            )
            return False
        if rules.fragments_per_min:
            state.accepted_at = [at for at in state.accepted_at if at > self._now - _MINUTE_S]
            if len(state.accepted_at) >= rules.fragments_per_min:
                message = f"More than {rules.fragments_per_min} fragments in a minute."
                self._refuse("RATE_LIMIT", message, fragment_id=fragment.fragment_id)
                return False
            state.accepted_at.append(self._now)
        return True

    def _ack(self, flight: Flight, wall_ms: int, status: Any) -> None:
        before = sum(one.result is None and one.since < flight.since for one in self.state.flights.values())
        usual_ms = self.state.tally.average_ms or self._chunk_ms
        self._send(
            "fragment:ack",
            FragmentAck(
                fragment_id=flight.fragment_id,
                status=status,
                timestamp=wall_ms,
                queue_position=before,
                estimated_completion_ms=0 if flight.result else round(usual_ms * (before + 1)),
            ),
        )

    # -- results come ------------------------------------------------------------------------------------------------
    def _done(self, event: Done) -> None:
        state = self.state
        for flights in (state.flights, state.orphans):
            flight = next((one for one in flights.values() if one.job_id == event.job_id and not one.result), None)
            if flight is not None:
                flight.audio_bytes = event.audio_bytes
                self._finish(flight, self._result(flight, event))
                return
        self._effects.append(Forget(event.job_id))

    def _finish(self, flight: Flight, result: FragmentProcessed) -> None:
        if self.state.orphans.pop(flight.fragment_id, None) is not None:
            self._remember(flight, result, counted_in="")
        else:
            flight.result = result

    def _result(self, flight: Flight, done: Done) -> FragmentProcessed:
        return FragmentProcessed(
            fragment_id=flight.fragment_id,
            stream_id=self.stream_id,
            sequence_number=flight.sequence,
            status=done.status,
            processing_time_ms=max(0, round((self._now - flight.since) * 1000)),
            transcript=_unless_none(done.transcript),
            translated_text=_unless_none(done.translated_text),
            stage_timings=done.timings,
            error=_unless_none(done.error),
            warnings=done.warnings or UNSET,
            metadata=_unless_none(done.metadata),
        )

    def _failed(self, flight: Flight, stage: Stage, code: str, message: str) -> FragmentProcessed:
        error = ProcessingError(stage=stage, code=code, message=message, retryable=NATURES[code].retryable)
        return self._result(flight, Done(flight.job_id, "failed", error=error))

    # -- results leave -----------------------------------------------------------------------------------------------
    def _advance(self) -> None:
        """Deliver what has its turn, and end the stream when all has left."""
        state = self.state
        for flight in [one for one in state.flights.values() if one.is_retry and one.result]:
            self._deliver(flight)
        while self._deliver_next():
            pass
        if state.phase == "ending" and not state.flights:
            state.phase = "completed"
            self._send("stream:complete", state.tally.complete(self.stream_id))
            for orphan in list(state.orphans.values()):
                self._abandon(orphan)
            self._effects.append(Close())

    def _deliver_next(self) -> bool:
        """Deliver the fragment whose turn it is, or pass over a hole whose time is over; False when one must wait."""
        state = self.state
        waiting = {one.sequence: one for one in state.flights.values() if not one.is_retry}
        flight = waiting.get(state.expected)
        if flight is not None:
            state.gap_since = None
            if flight.result is None:
                return False
            state.expected += 1
            self._deliver(flight)
            return True
        if not any(one.result for one in waiting.values()):
            state.gap_since = None
            return False
        if state.gap_since is None:
            state.gap_since = self._now
        if state.phase != "ending" and self._now < state.gap_since + self._gap_s:
            return False
        self._pass_over(min(waiting))
        return True

    def _pass_over(self, received: int) -> None:
        state = self.state
        missing = f"{state.expected}" if received == state.expected + 1 else f"{state.expected} to {received - 1}"
        self._refuse(
            "INVALID_SEQUENCE",
            f"Sequence number {missing} did not come.",
            expected=state.expected,
            received=received,
        )
        state.expected, state.gap_since = received, None

    def _deliver(self, flight: Flight) -> None:
        state, result = self.state, flight.result
        assert result is not None  # noqa: S101 - narrows the type: who calls has looked
        if flight.counted_as is None:
            state.tally.add(result, flight.audio_ms)
        else:
            state.tally.replace(flight.counted_as, result)
        del state.flights[flight.fragment_id]
        audio = flight.job_id if flight.audio_bytes else ""
        self._effects.append(Deliver(result, audio, again=flight.is_retry))
        self._remember(flight, result, counted_in=state.session_id)
        self._tell_band()

    def _remember(self, flight: Flight, result: FragmentProcessed, *, counted_in: str) -> None:
        memory, rules = self.state.memory, self._rules
        before = memory.pop(flight.fragment_id, None)
        if before is not None and before.job_id != flight.job_id:
            self._effects.append(Forget(before.job_id))
        memory[flight.fragment_id] = Remembered(result, counted_in, flight.job_id, flight.audio_bytes, self._now)
        while len(memory) > rules.keep_results or sum(one.audio_bytes for one in memory.values()) > rules.keep_bytes:
            self._forget(next(iter(memory)))

    def _forget(self, fragment_id: str) -> None:
        self._effects.append(Forget(self.state.memory.pop(fragment_id).job_id))

    # -- what is said ------------------------------------------------------------------------------------------------
    def _tell_band(self) -> None:
        """Tell the worker when its window has become fuller, or emptier, by a band."""
        state, in_flight = self.state, len(self.state.flights)
        band = self._rules.thresholds.band(in_flight)
        if band == state.band:
            return
        state.band = band
        told = announcement(
            band,
            stream_id=self.stream_id,
            in_flight=in_flight,
            max_inflight=self._max_inflight,
            queue_depth=sum(one.result is None for one in state.flights.values()),
        )
        self._send("backpressure", told)

    def _not_found(self, stream_id: str, fragment_id: str = "") -> None:
        """There is no such stream here, or it takes nothing more."""
        if self._is_mine(stream_id or None):
            message = f"The stream takes no fragments any more: it is {self.state.phase}."
            self._refuse("STREAM_NOT_FOUND", message, fragment_id=fragment_id, state=self.state.phase)
            return
        named = "There is no stream of this id on this connection" if stream_id else "No stream has begun"
        self._refuse(
            "STREAM_NOT_FOUND", f"{named}: send stream:init first.", stream_id=stream_id, fragment_id=fragment_id
        )

    def _refuse(
        self, code: str, message: str, *, stream_id: str | None = None, fragment_id: str = "", **details: Any
    ) -> None:
        """Answer with an error; ``details`` without a value are left out."""
        self.state.counter += 1
        stream_id = self.stream_id if stream_id is None else stream_id
        error_id = f"err_{self.state.seed}{self.state.counter}"
        self._send("error", error_event(code, message, error_id, stream_id, fragment_id, **details))

    def _send(self, name: str, payload: Struct) -> None:
        self._effects.append(Send(name, payload))

    @property
    def _timeout_s(self) -> float:
        return self.state.init.timeout_ms / 1000 if self.state.init else 0.0

    @property
    def _gap_s(self) -> float:
        return min(self._timeout_s, _LONGEST_GAP_S) if self._rules.gap_s is None else self._rules.gap_s

    @property
    def _max_inflight(self) -> int:
        return self.state.init.max_inflight if self.state.init else 0

    @property
    def _chunk_ms(self) -> int:
        return self.state.init.config.chunk_duration_ms if self.state.init else 0


def error_event(
    code: str, message: str, error_id: str, stream_id: str = "", fragment_id: str = "", **details: Any
) -> DubbingError:
    """Return the event that says what was refused; ``details`` without a value are left out."""
    nature = NATURES[code]
    facts = {name: value for name, value in details.items() if value is not None}
    return DubbingError(
        code=code,
        message=message,
        retryable=nature.retryable,
        severity=nature.severity,
        error_id=error_id,
        stream_id=handle(stream_id) or UNSET,
        fragment_id=handle(fragment_id) or UNSET,
        details=facts,
        metadata=facts,
    )


def parse_init(payload: object) -> StreamInit:
    """Return what a worker begins with. Raises `InvalidRequest`."""
    return parse(payload, StreamInit)


def _may_be_retried(result: FragmentProcessed) -> bool:
    return result.status == "failed" and result.error is not UNSET and result.error.retryable


def _renumbered(result: FragmentProcessed, fragment: FragmentData) -> FragmentProcessed:
    return replace(result, sequence_number=fragment.sequence_number)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _unless_none(value: Any) -> Any | UnsetType:
    return UNSET if value is None else value
