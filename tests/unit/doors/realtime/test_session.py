"""A realtime connection without its socket: what it does between the client's frames and the machine."""

from __future__ import annotations

import asyncio
from typing import Any

import pybase64
import pytest

from antiphon.conversation import inputs
from antiphon.ports.limiter import Account
from antiphon.wire.entries import TranscriptReady
from tests.unit.doors.realtime.stage import Stage, resumed, staged


async def test_a_callback_that_fails_ends_its_connection_and_says_why() -> None:
    def fails(event: Any, now: float) -> Any:
        raise ZeroDivisionError("a bug")

    with pytest.RaisesGroup(ZeroDivisionError):
        async with staged() as stage:
            await stage.send("input_audio_buffer.append", audio=pybase64.b64encode(bytes(48_000)).decode())
            stage.session.machine.receive = fails
            await asyncio.sleep(60)


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
        stage.session.tell(inputs.VoiceScored(stage.session.machine.state.buffer.stream, (0.9,) * 30 + (0.0,) * 60))
        (listening,) = stage.session.machine.state.jobs
        await stage.work(listening, TranscriptReady("", "hello", language="en", duration_s=1.0))
        error = stage.last("response.done")["response"]["status_details"]["error"]
        assert error["code"] == "inference_rate_limit_exceeded"
        assert refusals(stage) == 1


async def test_without_limits_none_are_told() -> None:
    async with staged() as stage:
        assert [await answer(stage) for _ in range(20)] == ["response.created"] * 20
        assert "rate_limits.updated" not in {event["type"] for event in stage.events}


async def test_what_the_server_stands_on_is_told_once_and_not_before_a_session_is_what_it_was() -> None:
    async with staged(is_saved=True) as stage:
        await stage.send("session.update", session={"type": "realtime", "include": ["antiphon.degraded"]})
        await stage.turns()
        async with resumed(stage, None):
            stage.session.see({"redis": False, "database": True})
            assert stage.session.machine.state.down == []
            await stage.turns()
            for _ in range(2):
                stage.session.see({"redis": False, "database": True})
            for _ in range(2):
                stage.session.see({"redis": True, "database": True})
            await stage.turns()
            told = [kind for kind in stage.types() if kind.startswith("antiphon.")]
            assert told == ["antiphon.session.resumed", "antiphon.degraded", "antiphon.recovered"]
