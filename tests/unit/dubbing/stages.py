"""A stream without a door: fragments, results and what it says, for the tests of its machine."""

from __future__ import annotations

from typing import Any

import pybase64

from antiphon.dubbing.effects import Cancel, Close, Deliver, Effect, Forget, Send, Start
from antiphon.dubbing.inputs import Begun, Done, Ended, Lost, Offered, Paused, Resumed, Ticked
from antiphon.dubbing.state import Rules, State
from antiphon.dubbing.stream import Stream, parse_init
from antiphon.entities.dubbing import ProcessingError, Status
from antiphon.wire.dubbing_client import StreamCommand, take_audio
from tests.options import stream_rules

WALL_MS = 1_700_000_000_000
CONFIG = {
    "source_language": "en",
    "target_language": "es",
    "voice_profile": "default",
    "chunk_duration_ms": 6000,
    "sample_rate_hz": 48000,
    "channels": 2,
    "format": "m4a",
}


def init(**fields: Any) -> dict[str, Any]:
    """Return the payload of a `stream:init`."""
    return {"stream_id": "s", "worker_id": "w", "config": dict(CONFIG), **fields}


def fragment(number: int, fragment_id: str = "", **fields: Any) -> dict[str, Any]:
    """Return the payload of a `fragment:data`."""
    return {
        "fragment_id": fragment_id or f"f{number}",
        "stream_id": "s",
        "sequence_number": number,
        "timestamp": number * 6000,
        "audio": {
            "format": "m4a",
            "sample_rate_hz": 48000,
            "channels": 2,
            "duration_ms": 6000,
            "data_base64": pybase64.b64encode(b"sound").decode(),
        },
        **fields,
    }


class Stage:
    """A stream under a clock of its own."""

    def __init__(self, rules: Rules | None = None, *, begun: bool = True, **init_fields: Any) -> None:
        self.stream = Stream(State(seed="j"), rules or stream_rules())
        self.now = 100.0
        self.sessions = 0
        self.offers = 0
        self.effects: list[Effect] = []
        self.jobs: dict[str, str] = {}
        """Of each fragment, the job that works on it."""
        if begun:
            self.begin(**init_fields)

    def tell(self, event: Any) -> list[Effect]:
        """Tell the stream, keep what it says, and return it."""
        told = self.stream.receive(event, self.now)
        for effect in told:
            if isinstance(effect, Start):
                self.jobs[effect.fragment.fragment_id] = effect.job_id
        self.effects += told
        return told

    def begin(self, **fields: Any) -> list[Effect]:
        self.sessions += 1
        return self.tell(Begun(parse_init(init(**fields)), f"session{self.sessions}"))

    def offer(self, number: int, fragment_id: str = "", **fields: Any) -> list[Effect]:
        return self.offer_raw(fragment(number, fragment_id, **fields))

    def offer_raw(self, payload: object) -> list[Effect]:
        described, audio = take_audio(payload)
        self.offers += 1
        return self.tell(Offered(described, WALL_MS, None if audio is None else self.offers))

    def done(
        self, fragment_id: str, status: Status = "success", *, retryable: bool = False, audio_bytes: int = 10
    ) -> list[Effect]:
        error = ProcessingError(stage="asr", code="TIMEOUT", message="m", retryable=retryable)
        return self.tell(
            Done(
                self.jobs[fragment_id],
                status,
                audio_bytes=0 if status == "failed" else audio_bytes,
                error=error if status == "failed" else None,
            )
        )

    def pause(self) -> list[Effect]:
        return self.tell(Paused(StreamCommand()))

    def resume(self) -> list[Effect]:
        return self.tell(Resumed(StreamCommand()))

    def end(self) -> list[Effect]:
        return self.tell(Ended(StreamCommand()))

    def lose(self) -> list[Effect]:
        return self.tell(Lost())

    def wait(self, seconds: float) -> list[Effect]:
        """Let time pass, and tell the stream each time it asked to be told."""
        told: list[Effect] = []
        until = self.now + seconds
        while (due := self.stream.next_due) is not None and due <= until:
            self.now = max(self.now, due)
            told += self.tell(Ticked())
        self.now = until
        return told


def sent(effects: list[Effect], name: str) -> list[Any]:
    """Return the payloads of the events of a name."""
    return [one.payload for one in effects if isinstance(one, Send) and one.name == name]


def error(effects: list[Effect]) -> Any:
    """Return the one error among the effects."""
    (only,) = sent(effects, "error")
    return only


def delivered(effects: list[Effect]) -> list[str]:
    """Return the fragments whose results are delivered, in order."""
    return [one.result.fragment_id for one in effects if isinstance(one, Deliver)]


def started(effects: list[Effect]) -> list[str]:
    """Return the fragments that are worked on from now on."""
    return [one.fragment.fragment_id for one in effects if isinstance(one, Start)]


def cancelled(effects: list[Effect]) -> list[str]:
    """Return the jobs that are called off."""
    return [one.job_id for one in effects if isinstance(one, Cancel)]


def forgotten(effects: list[Effect]) -> list[str]:
    """Return the jobs whose audio is let go."""
    return [one.job_id for one in effects if isinstance(one, Forget)]


def is_closed(effects: list[Effect]) -> bool:
    """Say whether the stream is over."""
    return any(isinstance(one, Close) for one in effects)
