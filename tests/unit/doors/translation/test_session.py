"""A translation connection without its socket: unclaimed jobs, results that end, callbacks that fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import numpy as np
import pybase64
import pytest

from antiphon.clock import VirtualClock
from antiphon.doors.translation.session import TranslationConnection, TranslationSessionOptions
from antiphon.doors.websocket.large_events import SLICE_BYTES
from antiphon.doors.websocket.session_options import SessionServices
from antiphon.observe.metrics import Metrics
from antiphon.policy.window import SlidingWindowLimiter
from antiphon.ports.vad import VoiceActivity
from antiphon.providers.hosting.instant_vad import InstantStream, InstantVoiceActivity
from antiphon.providers.stub.vad import Threshold
from antiphon.translation_session.machine import TranslationMachine
from antiphon.translation_session.state import State
from antiphon.wire.translation import TranslationAudio, TranslationSession
from tests.options import embedded_bus, link_limits
from tests.virtual_time import on_virtual_time

RATE_HZ = 24_000
TIMEOUT_S = 35.0
LASTS_S = 3600.0
UTTERANCE = (np.sin(np.arange(RATE_HZ // 2) / 10) * 8_000).astype("<i2").tobytes() + bytes(
    2 * RATE_HZ
)  # half a second of tone, a second of silence
PIPE = "t:default:session:{sess_1}"


class Stage:
    """One connection, and the socket that it writes to."""

    def __init__(
        self, group: asyncio.TaskGroup, clock: VirtualClock, vad: VoiceActivity | None, max_buffer_s: float
    ) -> None:
        self.clock = clock
        self.bus = embedded_bus(clock)
        self.metrics = Metrics()
        self.events: list[dict[str, Any]] = []
        self.hung_up: list[int] = []
        services = SessionServices(
            self.bus,
            vad or InstantVoiceActivity("stub", Threshold),
            clock,
            SlidingWindowLimiter(clock=clock),
            lambda row: None,
            30.0,
            self.metrics,
        )
        session = TranslationSession(id="sess_1", model="m", expires_at=1, audio=TranslationAudio())
        self.machine = TranslationMachine(State(seed="s", session=session, job_timeout_s=TIMEOUT_S))
        options = TranslationSessionOptions(
            link_limits(), max_buffer_s=max_buffer_s, lasts_s=LASTS_S, job_timeout_s=TIMEOUT_S
        )
        self.link = TranslationConnection(self.machine, services, options, group, self, tenant="default")

    def write(self, text: bytes) -> bool:
        self.events.append(msgspec.json.decode(text))
        return True

    async def send_text(self, text: bytes) -> None:
        self.events.append(msgspec.json.decode(text))

    def rest(self) -> None:
        """Nothing drains here."""

    def abort(self) -> None:
        raise AssertionError("nobody takes that long here")

    def hang_up(self, code: int, reason: str) -> None:
        self.hung_up.append(code)

    async def send(self, kind: str, **fields: Any) -> None:
        await self.link.frame(msgspec.json.encode({"type": kind, **fields}).decode())

    async def utter(self) -> None:
        await self.send("session.input_audio_buffer.append", audio=pybase64.b64encode(UTTERANCE).decode())

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]


@asynccontextmanager
async def staged(
    clock: VirtualClock, vad: VoiceActivity | None = None, *, max_buffer_s: float = 600
) -> AsyncGenerator[Stage]:
    async with asyncio.TaskGroup() as group:
        stage = Stage(group, clock, vad, max_buffer_s)
        stage.link.open()
        try:
            yield stage
        finally:
            await stage.link.close()
            await stage.bus.close()


async def jobs_are_not_claimed(clock: VirtualClock) -> None:
    """A translation session whose jobs are not claimed."""
    async with staged(clock) as stage:
        await stage.utter()
        await asyncio.sleep(TIMEOUT_S - 1)
        assert stage.kinds() == ["session.created"]
        await asyncio.sleep(2)
        (_, error) = stage.events
        assert error["error"]["code"] == "no_result"
        assert not stage.link.is_answering
        assert b'degraded_total{component="stt",leg="stt"} 1.0' in stage.metrics.render()
        await stage.send("session.update", session={"audio": {"output": {"language": "fr"}}})
        assert stage.kinds()[-1] == "session.updated", "the session continues"
        await stage.send("session.close")
        await asyncio.sleep(0.1)
        assert stage.kinds()[-1] == "session.closed"
        assert stage.hung_up == [1000]


test_an_unclaimed_job_ends_its_utterance_and_the_session_continues = on_virtual_time(jobs_are_not_claimed)


async def behind(clock: VirtualClock) -> None:
    async with staged(clock) as stage:
        began = clock.now()
        for _ in range(40):
            await stage.utter()
            await asyncio.sleep(0.1)
        assert clock.now() - began < 4 * TIMEOUT_S
        assert stage.kinds().count("error") >= 20
        assert stage.hung_up == []


test_a_client_waits_for_missing_workers_no_longer_than_a_job = on_virtual_time(behind)


async def large(clock: VirtualClock) -> None:
    turns = 0

    async def neighbour() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with staged(clock) as stage:
        going = asyncio.create_task(neighbour())
        audio = bytes(4 * 2**20)
        await stage.send("session.input_audio_buffer.append", audio=pybase64.b64encode(audio).decode())
        going.cancel()
        assert stage.machine.state.written == len(audio) // 2
        assert turns > 2 * len(audio) / SLICE_BYTES, "it is decoded in slices, and heard in slices"


test_an_event_of_megabytes_lets_others_have_their_turn = on_virtual_time(large)


class Scripted(InstantVoiceActivity):
    """A detector without scores of its own; the test calls back instead."""

    def __init__(self) -> None:
        super().__init__("scripted", Threshold)
        self.on_scores: Callable[[Sequence[float]], None] = lambda _: None

    def open(self, on_scores: Callable[[Sequence[float]], None]) -> InstantStream:
        self.on_scores = on_scores
        return super().open(lambda _: None)


async def stuck(clock: VirtualClock) -> None:
    async with staged(clock, Scripted(), max_buffer_s=2) as stage:
        await stage.utter()
        await stage.utter()
        began = clock.now()
        await stage.utter()
        assert stage.hung_up == [1011]
        assert clock.now() - began < TIMEOUT_S + 10


test_a_detector_that_is_stuck_ends_the_connection_of_a_client_that_waits_for_it = on_virtual_time(stuck)


async def results_end(clock: VirtualClock) -> None:
    async with staged(clock) as stage:
        await asyncio.sleep(1)
        await stage.bus.drop(PIPE)
        await asyncio.sleep(1)
        assert stage.hung_up == [1001]


test_a_session_whose_results_are_gone_is_closed = on_virtual_time(results_end)


async def scores_fail(clock: VirtualClock) -> None:
    vad = Scripted()

    async def session() -> None:
        async with staged(clock, vad):
            vad.on_scores(["no number"])
            await asyncio.sleep(60)

    with pytest.raises(ExceptionGroup) as found:
        await session()
    assert found.group_contains(TypeError)
    vad.on_scores([0.5])


test_scores_that_cannot_be_worked_in_end_this_connection_and_raise_nothing = on_virtual_time(scores_fail)


async def longest(clock: VirtualClock) -> None:
    async with staged(clock) as stage:
        await asyncio.sleep(LASTS_S + 1)
        assert stage.kinds() == ["session.created", "session.closed"]
        assert stage.hung_up == [1000]


test_the_longest_session_is_closed = on_virtual_time(longest)
