"""A realtime connection without its socket: what it does between the client's frames and the machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pybase64
import pytest

from antiphon.clock import VirtualClock
from antiphon.conversation import inputs
from antiphon.conversation.machine import Conversation
from antiphon.conversation.session import Defaults, describe
from antiphon.conversation.state import Rules
from antiphon.doors.realtime.session import Link, Resumption
from antiphon.doors.websocket.session_options import LinkServices
from antiphon.observe.metrics import Metrics
from antiphon.policy.window import SlidingWindowLimiter
from antiphon.ports.engine import EngineContext
from antiphon.ports.limiter import Account
from antiphon.ports.sessions import Saved
from antiphon.providers.registry import load
from antiphon.wire.jobs import AudioReady, PipeEntry, TextReady, TranscriptReady
from tests.options import embedded_bus, link_limits, session_rules


class Stage:
    """One link, and the connection that it writes to."""

    def __init__(self, group: asyncio.TaskGroup, rules: Rules, *, requests: int = 0) -> None:
        self.clock = VirtualClock()
        self.bus = embedded_bus(self.clock)
        self.limiter = SlidingWindowLimiter(requests=requests, clock=self.clock)
        self.events: list[dict[str, Any]] = []
        self.hung_up: list[tuple[int, str]] = []
        self.reads = asyncio.Event()
        """While it is not set the client takes nothing."""
        self.reads.set()
        vad = load("vad", ["stub"], EngineContext(data_dir=None))  # pyright: ignore[reportArgumentType] -- not read by the stub
        self.metrics = Metrics()
        services = LinkServices(self.bus, vad, self.clock, self.limiter, lambda row: None, 30.0, self.metrics)
        now = self.clock.wall()
        machine = Conversation.begin(describe(None, Defaults(), now=now), rules, seed="s", now=now, lasts_s=3600)
        self.link = Link(
            machine,
            services,
            link_limits(),
            group,
            self,
            account=Account("default", "open"),
            session_id="sess_1",
            epoch=1,
        )  # pyright: ignore[reportArgumentType] -- all that a link needs of it

    def write(self, text: bytes) -> bool:
        if self.reads.is_set():
            self.events.append(msgspec.json.decode(text))
        return self.reads.is_set()

    async def send_text(self, text: bytes) -> None:
        await self.reads.wait()
        self.events.append(msgspec.json.decode(text))

    def rest(self) -> None:
        """Nobody drains here."""

    def give_up(self) -> None:
        raise AssertionError("nobody takes that long here")

    def hang_up(self, code: int, reason: str) -> None:
        self.hung_up.append((code, reason))

    async def send(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """Take one event of the client; returns what it was answered at once."""
        before = len(self.events)
        await self.link.frame(msgspec.json.encode({"type": kind, **fields}).decode())
        return self.events[before:]

    async def work(self, job_id: str, *entries: PipeEntry) -> None:
        """A worker's results arrive."""
        named = [msgspec.structs.replace(entry, job_id=f"sess_1.{job_id}") for entry in entries]
        await self.bus.write("t:default:session:{sess_1}", named)
        for _ in range(10 * len(entries)):
            await asyncio.sleep(0)

    def last(self, kind: str) -> dict[str, Any]:
        """The newest event of a type."""
        return next(event for event in reversed(self.events) if event["type"] == kind)


@asynccontextmanager
async def staged(rules: Rules | None = None, **options: Any) -> AsyncGenerator[Stage]:
    async with asyncio.TaskGroup() as group:
        stage = Stage(group, rules or session_rules(), **options)
        stage.link.open()
        yield stage
        await stage.link.close()
        await stage.bus.close()


# -- what was heard ----------------------------------------------------------------------------------------------------
SECOND = AudioReady("", bytes(48_000))


@pytest.mark.parametrize("form", ["audio/pcm", "audio/pcmu"])
async def test_speech_that_was_still_queued_when_its_answer_was_broken_off_was_not_heard(form: str) -> None:
    async with staged() as stage:
        output = {"format": {"type": form}}
        await stage.send("session.update", session={"type": "realtime", "audio": {"output": output}})
        await stage.send("response.create")
        (response,) = stage.link.machine.state.responses.values()
        await stage.work(response.job_id, TextReady("", "one two three four five six"))
        await stage.work(response.speak_job_id, AudioReady("", bytes(48_000), "one two three four five six"))
        stage.reads.clear()
        await stage.work(response.speak_job_id, SECOND, SECOND)
        item_id = response.outputs[0].item_id
        await stage.send("response.cancel")
        stage.reads.set()
        await stage.link.flushed()
        done = stage.last("response.done")["response"]
        assert (done["status"], done["output"][0]["id"]) == ("cancelled", item_id)
        heard = b"".join(
            pybase64.b64decode(event["delta"]) for event in stage.events if event["type"].endswith("audio.delta")
        )
        await stage.send("conversation.item.retrieve", item_id=item_id)
        (part,) = stage.last("conversation.item.retrieved")["item"]["content"]
        assert abs(len(pybase64.b64decode(part["audio"])) - len(heard)) <= 2
        await stage.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=60_000)
        assert abs(stage.last("conversation.item.truncated")["audio_end_ms"] - 2000) < 200  # one was on its way


async def test_a_callback_that_fails_ends_its_connection_and_says_why() -> None:
    def fails(event: Any, now: float) -> Any:
        raise ZeroDivisionError("a bug")

    with pytest.RaisesGroup(ZeroDivisionError):
        async with staged() as stage:
            await stage.send("input_audio_buffer.append", audio=pybase64.b64encode(bytes(48_000)).decode())
            stage.link.machine.receive = fails  # type: ignore[method-assign]
            await asyncio.sleep(5)


# -- rate limits -----------------------------------------------------------------------------------------------------
async def answer(stage: Stage) -> str:
    """Ask for an answer and break it off; returns the type of what came first, or the error's code."""
    first = (await stage.send("response.create"))[0]
    await stage.send("response.cancel")
    return first["error"]["code"] if first["type"] == "error" else first["type"]


def refusals(stage: Stage) -> float | None:
    return stage.metrics.registry.get_sample_value("rate_limits_total", {"limit": "requests"})


async def test_a_limit_that_was_used_up_recovers_with_time() -> None:
    async with staged(requests=2) as stage:
        assert [await answer(stage) for _ in range(3)] == ["response.created"] * 2 + ["rate_limit_exceeded"]
        assert refusals(stage) == 1
        stage.clock.advance(61)
        assert await answer(stage) == "response.created"


async def test_what_other_sessions_use_up_counts() -> None:
    async with staged(requests=2) as stage:
        stage.limiter.charge(Account("default", "open"), requests=1)
        assert await answer(stage) == "response.created"
        assert await answer(stage) == "rate_limit_exceeded"
        limits = next(event for event in stage.events if event["type"] == "rate_limits.updated")["rate_limits"]
        assert [(limit["name"], limit["limit"], limit["remaining"]) for limit in limits] == [("requests", 2, 0)]


async def test_a_turn_that_a_limit_leaves_without_an_answer_is_a_refusal() -> None:
    async with staged(requests=1) as stage:
        await answer(stage)
        await stage.send("input_audio_buffer.append", audio=pybase64.b64encode(bytes(3 * 48_000)).decode())
        stage.link.tell(inputs.VoiceScored(stage.link.machine.state.buffer.stream, (0.9,) * 30 + (0.0,) * 60))
        (listening,) = stage.link.machine.state.jobs
        await stage.work(listening, TranscriptReady("", "hello", language="en", duration_s=1.0))
        error = stage.last("response.done")["response"]["status_details"]["error"]
        assert error["code"] == "inference_rate_limit_exceeded"
        assert refusals(stage) == 1


async def test_without_limits_none_are_told() -> None:
    async with staged() as stage:
        assert [await answer(stage) for _ in range(20)] == ["response.created"] * 20
        assert "rate_limits.updated" not in {event["type"] for event in stage.events}


async def test_what_the_server_stands_on_is_told_once_and_not_before_a_session_is_what_it_was() -> None:
    async with staged() as stage:
        await stage.send("session.update", session={"type": "realtime", "include": ["antiphon.degraded"]})
        stage.link._resumption = Resumption(Saved(b"", 0, b"", {}, ()), None)
        stage.link.see({"redis": False, "database": True})
        assert stage.link.machine.state.down == []
        stage.link._resumption = None
        for _ in range(2):
            stage.link.see({"redis": False, "database": True})
        for _ in range(2):
            stage.link.see({"redis": True, "database": True})
        told = [event["type"] for event in stage.events if event["type"].startswith("antiphon.")]
        assert told == ["antiphon.degraded", "antiphon.recovered"]
