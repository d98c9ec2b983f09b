"""What a conversation reports to others than its client."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from antiphon.conversation import effects
from antiphon.entities.events import ANALYTICS, LTM, log_of
from antiphon.wire.events import (
    AsrStats,
    ChatStats,
    EventPayload,
    LtmWriteRequested,
    ToolCall,
    TranscriptionCompleted,
    TtsStats,
    type_of,
)
from tests.simulation import World
from tests.unit.conversation.stage import TEXT, TOOL, answer

MEMORY = {"memory": {"user_id": "u"}}


def reports(world: World, kind: type[EventPayload] | None = None) -> list[Any]:
    found = [one.payload for one in world.started(effects.Report)]
    return [one for one in found if kind is None or isinstance(one, kind)]


def test_each_log_of_a_session_is_numbered_without_a_gap_after_the_event_of_its_opening() -> None:
    world = World()
    world.send("session.update", session={"type": "realtime", "antiphon": MEMORY})
    for _ in range(3):
        world.say_text("I like tea")
        answer(world)
    numbers: dict[str, list[int]] = defaultdict(list)
    for report in world.started(effects.Report):
        numbers[log_of(type_of(report.payload))].append(report.number)
    assert numbers[ANALYTICS] == list(range(2, 2 + len(numbers[ANALYTICS])))
    assert numbers[LTM] == [1, 2, 3]


def test_a_spoken_answer_is_measured() -> None:
    world = World()
    world.say_text("hello")
    answer(world)
    (chat,) = reports(world, ChatStats)
    (speech,) = reports(world, TtsStats)
    assert (chat.turn, chat.status, chat.session_id) == (1, "completed", world.machine.state.session.id)
    assert chat.correlation_id == f"{chat.session_id}#1"
    assert chat.ttft_ms is not None
    assert chat.ttft_ms >= 0
    assert chat.output_tokens >= chat.tokens > 0
    assert (speech.outcome, speech.chunks > 0, speech.audio_ms > 0) == ("completed", True, True)
    assert speech.ttfa_ms is not None
    assert speech.ttfa_ms >= chat.ttft_ms


def test_a_written_answer_has_no_speech() -> None:
    world = World()
    world.send("session.update", session=TEXT)
    world.say_text("hello")
    answer(world)
    assert len(reports(world, ChatStats)) == 1
    assert reports(world, TtsStats) == []


@pytest.mark.parametrize("worked", [0, 3])
def test_a_cancelled_answer_is_measured_as_far_as_it_came(worked: int) -> None:
    world = World()
    world.say_text("hello")
    world.send("response.create")
    world.work(steps=worked)
    world.send("response.cancel")
    (chat,) = reports(world, ChatStats)
    (speech,) = reports(world, TtsStats)
    assert (chat.status, speech.outcome) == ("cancelled", "stopped")
    assert (chat.ttft_ms is None) == (worked == 0)


def test_a_transcript_is_measured_and_told_only_to_whom_asked_for_transcripts() -> None:
    for wish, told in ((None, 0), ({}, 1)):
        world = World()
        audio = {"input": {"transcription": wish}}
        world.send("session.update", session={"type": "realtime", "audio": audio})
        world.speak()
        world.finish()
        (heard,) = reports(world, AsrStats)
        assert heard.duration_seconds > 0
        assert heard.turn == 1
        texts = reports(world, TranscriptionCompleted)
        assert len(texts) == told
        assert all(text.transcript for text in texts)


def test_the_words_of_the_user_are_remembered_once_and_only_with_a_memory() -> None:
    for options, count in ((None, 0), ({"memory": None}, 0), (MEMORY, 1)):
        world = World()
        session = {"type": "realtime", **({} if options is None else {"antiphon": options})}
        world.send("session.update", session=session)
        world.say_text("  I like tea ")
        answer(world)
        answer(world)
        found = reports(world, LtmWriteRequested)
        assert len(found) == count
        assert all((one.user_id, one.payload.text) == ("u", "I like tea") for one in found)
        assert all(one.payload.reply for one in found)


def test_an_answer_outside_of_the_conversation_is_not_remembered() -> None:
    world = World()
    world.send("session.update", session={"type": "realtime", "antiphon": MEMORY})
    world.say_text("I like tea")
    answer(world, conversation="none")
    assert reports(world, LtmWriteRequested) == []


def test_a_function_call_is_reported_without_its_arguments() -> None:
    world = World()
    world.send("session.update", session={"type": "realtime", "tools": [TOOL], "tool_choice": "required"})
    world.say_text("look")
    answer(world)
    calls = reports(world, ToolCall)
    assert [call.name for call in calls] == ["look"] * len(calls)
