"""Client events with something wrong in them, by the hundred thousand, through a real connection's way in.

Each one is either taken or answered by exactly one well-formed ``error`` with the event's own id; no other
exception may leave the door, and the session still answers afterwards.
"""

from __future__ import annotations

import asyncio
import copy
import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import settings

from antiphon.clock import VirtualClock
from antiphon.conversation.machine import Conversation
from antiphon.conversation.session import Defaults, describe
from antiphon.doors.realtime.session import RealtimeConnection
from antiphon.doors.websocket.session_history import SessionHistory
from antiphon.doors.websocket.session_options import SessionServices
from antiphon.observe.metrics import Metrics
from antiphon.policy.window import SlidingWindowLimiter
from antiphon.ports.engine import EngineContext
from antiphon.ports.limiter import Account
from antiphon.providers.registry import load
from antiphon.text.surrogates import has_no_surrogates
from tests.options import embedded_bus, link_limits, session_rules

EVENTS = 1_000_000 if settings.default.max_examples >= 10_000 else 100_000
SEED = 20_261_122

TOOL = {"type": "function", "name": "look", "description": "d", "parameters": {"type": "object"}}
VAD = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500}
SESSION = {
    "type": "realtime",
    "instructions": "be brief",
    "output_modalities": ["text"],
    "tools": [TOOL],
    "tool_choice": {"type": "function", "name": "look"},
    "max_output_tokens": 100,
    "include": ["item.input_audio_transcription.logprobs"],
    "tracing": "auto",
    "truncation": {"type": "retention_ratio", "retention_ratio": 0.5},
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "turn_detection": VAD,
            "transcription": {"model": "whisper-1", "language": "en"},
            "noise_reduction": {"type": "near_field"},
        },
        "output": {"format": {"type": "audio/pcmu"}, "voice": "alloy", "speed": 1.1},
    },
}
PARTS: list[Any] = [{"type": "input_text", "text": "hi"}, {"type": "input_audio", "audio": "AAAA", "transcript": "x"}]
MESSAGE = {"type": "message", "role": "user", "content": PARTS}
VALID: list[dict[str, Any]] = [
    {"type": "session.update", "session": SESSION},
    {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"turn_detection": None}}}},
    {"type": "input_audio_buffer.append", "audio": "AAAAAAAA"},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {"type": "output_audio_buffer.clear"},
    {"type": "conversation.item.create", "item": MESSAGE, "previous_item_id": "root"},
    {"type": "conversation.item.create", "item": {"type": "function_call", "name": "f", "arguments": "{}"}},
    {"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": "c", "output": "o"}},
    {"type": "conversation.item.create", "item": {"type": "mcp_approval_response", "approve": True, "id": "m"}},
    {"type": "conversation.item.retrieve", "item_id": "ITEM"},
    {"type": "conversation.item.delete", "item_id": "ITEM"},
    {"type": "conversation.item.truncate", "item_id": "ITEM", "content_index": 0, "audio_end_ms": 10},
    {"type": "response.create", "response": {"conversation": "none", "metadata": {"a": "b"}, "input": [MESSAGE]}},
    {"type": "response.create", "response": {"output_modalities": ["audio"], "tools": [TOOL], "tool_choice": "auto"}},
    {"type": "response.cancel", "response_id": "RESPONSE"},
]
JUNK: list[Any] = [
    None, True, -1, 0, 2**63, 2**70, 1e308, -0.0, "", "x", "\u0000", "ü" * 600, [], {}, [[]], {"type": "x"}, ["x"],
    "item.input_audio_transcription.logprobs", "realtime", "audio", "root", "AAA", "////", "=", {"a": {"b": [1, None]}},
]  # fmt: skip


class Mutator:
    """Breaks events in every way a client could."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def frame(self, number: int, names: list[str]) -> str:
        """Return the next frame."""
        event = json.loads(json.dumps(self._random.choice(VALID)))
        event["event_id"] = f"client_{number}"
        for key in ("item_id", "response_id"):
            if key in event and names:
                event[key] = self._random.choice(names)
        for _ in range(self._random.choice((0, 1, 1, 1, 2, 3))):
            self._break(event)
        text = json.dumps(event)
        return text if self._random.random() < 0.9 else self._tear(text)

    def _break(self, event: dict[str, Any]) -> None:
        holder: Any = event
        for _ in range(self._random.randrange(6)):
            inner = [value for value in self._values(holder) if isinstance(value, dict | list) and value]
            if not inner:
                break
            holder = self._random.choice(inner)
        key = self._random.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        match self._random.randrange(4):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[self._random.choice(("extra", "", "type", "\u0000"))] = copy.deepcopy(self._random.choice(JUNK))
            case _:
                holder[key] = copy.deepcopy(self._random.choice(JUNK))
        if not event:
            event["type"] = "response.cancel"

    def _values(self, holder: Any) -> list[Any]:
        return list(holder.values()) if isinstance(holder, dict) else list(holder)

    def _tear(self, text: str) -> str:
        at = self._random.randrange(len(text))
        noise = self._random.choice(("", '"', "}", "\\", "\u0007", "\ud83d\ude00", "[" * 50, "nul"))
        return text[:at] + noise + text[at + self._random.randrange(3) :]


class Wire:
    """Where the link writes."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.hung_up: list[tuple[int, str]] = []

    def write(self, text: bytes) -> bool:
        self.events.append(msgspec.json.decode(text))
        return True

    def rest(self) -> None:
        """Nobody drains here."""

    def hang_up(self, code: int, reason: str) -> None:
        self.hung_up.append((code, reason))


def connect(group: asyncio.TaskGroup, wire: Wire, clock: VirtualClock) -> RealtimeConnection:
    """A whole connection but for the socket."""
    vad = load("vad", ["stub"], EngineContext(data_dir=None))
    services = SessionServices(
        embedded_bus(clock), vad, clock, SlidingWindowLimiter(clock=clock), lambda row: None, 30.0, Metrics()
    )
    rules = session_rules(max_items=20, max_buffer_s=30)
    machine = Conversation.begin(
        describe(None, Defaults(), now=clock.wall()), rules, seed="fuzz", now=clock.wall(), lasts_s=3600
    )
    limits = link_limits(max_append_bytes=64, events_per_s=10**9)
    history = SessionHistory(
        services.record, clock, "realtime", tenant="default", session_id="sess_1", key_id="open", epoch=1
    )
    return RealtimeConnection(
        machine, services, limits, group, wire, account=Account("default", "open"), history=history
    )


@pytest.mark.timeout(3600)
async def test_every_mutated_event_is_taken_or_answered_by_one_well_formed_error() -> None:
    mutator, clock = Mutator(SEED), VirtualClock()
    refused = taken = number = 0
    while number < EVENTS:
        wire = Wire()
        async with asyncio.TaskGroup() as group:
            link = connect(group, wire, clock)
            link.open()
            await link.flushed()
            wire.events.clear()
            for _ in range(2_000):
                number += 1
                names = [str(record.item.id) for record in link.machine.state.records] + list(
                    link.machine.state.responses
                )
                frame = mutator.frame(number, names)
                await link.frame(frame)
                await link.flushed()
                refused_now = check(wire, frame)
                refused += refused_now
                taken += not refused_now
                wire.events.clear()
            await still_answers(link, wire)
            await link.close()
    print(f"\n{number} events: {taken} taken, {refused} refused with one error each")
    assert refused > EVENTS // 4
    assert taken > EVENTS // 20


def check(wire: Wire, frame: str) -> bool:
    """Say whether the event was refused; hold the error against its form."""
    errors = [event for event in wire.events if event["type"] == "error"]
    if not errors:
        return False
    assert len(wire.events) == 1, f"an error and something else: {frame}: {wire.events}"
    error = errors[0]["error"]
    assert set(error) == {"type", "code", "message", "param", "event_id"}
    assert error["type"] in ("invalid_request_error", "rate_limit_error")
    assert error["code"], error
    assert error["message"], error
    assert error["event_id"] == own_id(frame)
    return True


def own_id(frame: str) -> str | None:
    """The id a client gave its event, where it can be read: half a character elsewhere in the event is no hindrance."""
    try:
        event = json.loads(frame)
    except ValueError:
        return None
    own = event.get("event_id") if isinstance(event, dict) else None
    return own if isinstance(own, str) and len(own) <= 512 and has_no_surrogates(own) else None


async def still_answers(link: RealtimeConnection, wire: Wire) -> None:
    """The session lives on: a clean session.update is confirmed."""
    await link.frame('{"type":"session.update","session":{"type":"realtime"},"event_id":"last"}')
    await link.flushed()
    assert wire.events[-1]["type"] == "session.updated"
    assert wire.hung_up == []
