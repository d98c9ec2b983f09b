"""One step of a stream: state, rules, time, and the effects of one input."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from antiphon.dubbing.effects import Effect, Send
from antiphon.dubbing.error_events import error_event
from antiphon.dubbing.state import Rules, State


class Step:
    """Carries one input through the modules of a stream."""

    __slots__ = ("effects", "now", "rules", "state")

    def __init__(self, state: State, rules: Rules, now: float) -> None:
        self.state = state
        self.rules = rules
        self.now = now
        self.effects: list[Effect] = []

    def do(self, effect: Effect) -> None:
        """Ask for an effect."""
        self.effects.append(effect)

    def send(self, name: str, payload: Struct) -> None:
        """Send an event."""
        self.do(Send(name, payload))

    def refuse(
        self, code: str, message: str, *, stream_id: str | None = None, fragment_id: str = "", **details: Any
    ) -> None:
        """Answer with an error; ``details`` that are None are omitted."""
        self.state.counter += 1
        stream_id = self.state.stream_id if stream_id is None else stream_id
        error_id = f"err_{self.state.seed}{self.state.counter}"
        self.send("error", error_event(code, message, error_id, stream_id, fragment_id, **details))

    def is_mine(self, stream_id: str | None) -> bool:
        """Say whether an id, or its absence, means this stream."""
        return self.state.init is not None and stream_id in (None, self.state.stream_id)

    def not_found(self, stream_id: str, fragment_id: str = "") -> None:
        """Answer that there is no such stream, or that it accepts no more fragments."""
        if self.is_mine(stream_id or None):
            phase = self.state.phase
            message = f"The stream accepts no more fragments: it is {phase}."
            self.refuse("STREAM_NOT_FOUND", message, fragment_id=fragment_id, state=phase)
            return
        named = "There is no stream of this id on this connection" if stream_id else "No stream has begun"
        self.refuse(
            "STREAM_NOT_FOUND", f"{named}: send stream:init first.", stream_id=stream_id, fragment_id=fragment_id
        )
