"""What a client sends, as inputs of the machine."""

from __future__ import annotations

import asyncio

import msgspec
import pybase64
import pytest

from antiphon.audio.ticks import TICKS_PER_S
from antiphon.conversation import inputs
from antiphon.conversation.machine import Conversation
from antiphon.conversation.session import Defaults, describe
from antiphon.conversation.state import Rules
from antiphon.doors.realtime.intake import Intake
from antiphon.doors.websocket.large_events import LARGE_BYTES
from antiphon.ports.engine import EngineContext
from antiphon.providers.registry import load
from tests.options import session_rules

SECOND = bytes(2 * TICKS_PER_S)


class Stage:
    """An intake, and the machine that it tells."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.machine = Conversation.begin(
            describe(None, Defaults(), now=0.0), rules or session_rules(), seed="s", now=0.0, lasts_s=3600
        )
        self.scored: list[inputs.VoiceScored] = []
        self.large = asyncio.Semaphore(1)
        vad = load("vad", ["stub"], EngineContext(data_dir=None))
        self.intake = Intake(self.machine, vad, self.large, 15 * 2**20, on_score=self.scored.append)

    async def take(self, kind: str, **fields: object) -> inputs.Received | inputs.AudioAppended:
        """Take one event and work it in; returns the input that it is."""
        found: list[inputs.Received | inputs.AudioAppended] = []

        def work_in(event: inputs.Received | inputs.AudioAppended) -> None:
            self.machine.receive(event, 0.0)
            found.append(event)

        await self.intake.take(frame(kind, **fields), work_in)
        (only,) = found
        return only


def frame(kind: str, **fields: object) -> str:
    return msgspec.json.encode({"type": kind, **fields}).decode()


def base64(data: bytes) -> str:
    return pybase64.b64encode(data).decode()


@pytest.mark.parametrize("seconds", [1, 30])
async def test_audio_is_appended_and_heard_once_the_machine_knows_of_it(seconds: int) -> None:
    stage = Stage()
    told: list[object] = []

    def work_in(event: inputs.Received | inputs.AudioAppended) -> None:
        assert not stage.scored
        stage.machine.receive(event, 0.0)
        told.append(event)

    await stage.intake.take(frame("input_audio_buffer.append", audio=base64(SECOND * seconds)), work_in)
    assert told == [inputs.AudioAppended(seconds * TICKS_PER_S, None)]
    assert stage.intake.buffer.size_bytes == len(SECOND) * seconds
    await asyncio.sleep(0)
    assert stage.scored


@pytest.mark.parametrize("seconds", [2, 30])
async def test_audio_that_the_machine_refuses_is_not_kept(seconds: int) -> None:
    stage = Stage(session_rules(max_buffer_s=1.5))
    await stage.take("input_audio_buffer.append", audio=base64(SECOND))
    event = await stage.take("input_audio_buffer.append", audio=base64(SECOND * seconds), event_id="mine")
    assert isinstance(event, inputs.AudioAppended)
    assert (event.ticks, event.event_id) == (pytest.approx(seconds * TICKS_PER_S, abs=1), "mine")
    assert stage.intake.buffer.size_bytes == len(SECOND)


async def test_a_large_event_that_is_not_worked_in_leaves_its_place_to_others() -> None:
    stage = Stage()
    audio = base64(bytes(LARGE_BYTES * 2))

    def fail(event: object) -> None:
        assert stage.large.locked()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await stage.intake.take(frame("input_audio_buffer.append", audio=audio), fail)
    assert not stage.large.locked()


@pytest.mark.parametrize("seconds", [0.5, 30])
async def test_audio_of_an_item_stays_here_and_the_machine_hears_its_length(seconds: float) -> None:
    stage = Stage()
    audio = bytes(int(len(SECOND) * seconds))
    content = [{"type": "input_audio", "audio": base64(audio)}]
    event = frame("conversation.item.create", item={"type": "message", "role": "user", "content": content})
    told: list[object] = []

    def work_in(received: inputs.Received | inputs.AudioAppended) -> None:
        assert isinstance(received, inputs.Received)
        assert received.audio_ticks == (len(audio) // 2,)
        assert [data for _, data in stage.intake.given_audio] == [audio]
        told.append(received)

    await stage.intake.take(event, work_in)
    assert len(told) == 1
    assert stage.intake.given_audio == []


async def test_a_new_format_holds_from_the_next_event_on() -> None:
    stage = Stage()
    await stage.take("input_audio_buffer.append", audio=base64(SECOND))
    update = {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcmu"}}}}
    await stage.take("session.update", session=update)
    assert stage.intake.buffer.rate_hz == 8000
    assert stage.intake.buffer.size_bytes == 2 * 8000
    event = await stage.take("input_audio_buffer.append", audio=base64(bytes(8000)))
    assert event == inputs.AudioAppended(TICKS_PER_S, None)
