"""Resuming a session: what its client has missed, what the gateway before has perhaps worked in, and its jobs."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from antiphon.conversation.resume import number_of
from antiphon.doors.realtime.checkpoint import jobs_of
from antiphon.wire.entries import AudioReady, TextReady
from tests.options import embedded_bus
from tests.unit.doors.realtime.stage import PIPE, Stage, resumed, staged


async def ask(stage: Stage) -> Any:
    """Ask for an answer; returns it when the session is saved."""
    await stage.send("response.create")
    await stage.turns()
    (response,) = stage.session.machine.state.responses.values()
    return response


def cursor(stage: Stage) -> int:
    """Number of the last event that the client has."""
    return number_of(stage.events[-1]["event_id"], "s") or 0


async def test_a_client_gets_what_it_has_missed_and_each_event_once() -> None:
    async with staged(is_saved=True) as stage:
        await stage.turns()
        after = cursor(stage)
        await ask(stage)
        (missed,) = stage.events[1:]
        async with resumed(stage, after):
            await stage.turns()
            assert stage.types() == ["session.created", "response.created", "antiphon.session.resumed"]
            assert stage.events[1] == missed


async def test_without_a_cursor_nothing_is_sent_again_and_the_answer_is_broken_off() -> None:
    async with staged(is_saved=True) as stage:
        await ask(stage)
        async with resumed(stage, None):
            await stage.turns()
            assert stage.types() == ["session.created", "response.done", "antiphon.session.resumed"]
            assert stage.session.machine.state.responses == {}


async def test_results_that_were_not_saved_are_worked_in_again_under_the_same_ids() -> None:
    async with staged(is_saved=True) as stage:
        response = await ask(stage)
        after, saved = cursor(stage), len(stage.events)
        await stage.work(response.job_id, TextReady("", "It is noon."))
        await stage.work(response.speak_job_id, AudioReady("", bytes(4800), "It is noon."))
        sent = stage.events[saved:]
        assert sent[-1]["type"] == "response.output_audio.delta"
        async with resumed(stage, after):
            await stage.turns(50)
            assert stage.events[1:-1] == sent
            assert len(stage.session.machine.state.responses) == 1, "the answer continues"


async def test_an_answer_whose_results_are_gone_is_broken_off() -> None:
    async with staged(is_saved=True) as stage:
        response = await ask(stage)
        for number in range(70):  # enough to be saved
            await stage.work(response.job_id, TextReady("", f"{number} "))
        after = cursor(stage)
        await stage.bus.drop(PIPE)
        async with resumed(stage, after):
            await stage.turns(50)
            assert stage.types()[-2:] == ["response.done", "antiphon.session.resumed"]
            assert stage.session.machine.state.responses == {}


async def test_an_answer_is_broken_off_where_the_pipe_lacks_some_of_its_results() -> None:
    async with staged(is_saved=True, pipe_entries=8) as stage:
        response = await ask(stage)
        after = cursor(stage)
        await stage.session.close()
        async with aclosing(stage.bus.read(PIPE)) as reader:
            for _ in range(10):
                await stage.work(response.job_id, TextReady("", "word "))
                await anext(reader)
        async with resumed(stage, after):
            await stage.turns(50)
            assert stage.types()[-2:] == ["response.done", "antiphon.session.resumed"]
            assert stage.session.machine.state.responses == {}


async def test_jobs_that_were_perhaps_not_submitted_are_submitted_again() -> None:
    async with staged(is_saved=True) as stage:
        response = await ask(stage)
        _, saved = await stage.sessions.resume("default", "sess_1", "g2")
        names = {stage.session._jobs.name(job.id) for job in jobs_of(saved.jobs)}
        assert names == {response.job_id, response.speak_job_id}
        await stage.bus.close()
        stage.bus = embedded_bus(stage.clock)
        stage.services = replace(stage.services, bus=stage.bus)
        async with resumed(stage, cursor(stage)):
            await stage.turns()
            assert (stage.bus.depth("respond"), stage.bus.depth("speak")) == (1, 1)


@pytest.mark.parametrize("asks", [True, False])
async def test_frames_wait_until_the_session_is_where_it_was(asks: bool) -> None:
    async with staged(is_saved=True) as stage:
        await ask(stage)
        async with resumed(stage, cursor(stage) if asks else None):
            await stage.send("input_audio_buffer.clear")
            await stage.turns()
            assert stage.types()[-2:] == ["antiphon.session.resumed", "input_audio_buffer.cleared"]
