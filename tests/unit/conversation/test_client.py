"""Client events and the audio that a client appends."""

from __future__ import annotations

import typing

import pytest

from antiphon.conversation import effects, inputs
from antiphon.wire.realtime_client import ClientCommand, ClientMessage, InputAudioBufferAppend
from tests.options import session_rules
from tests.simulation import MS, World
from tests.unit.conversation.stage import (
    MANUAL,
    strict_world,
)


def test_truncating_an_item_in_progress_ends_its_response_and_keeps_the_cut() -> None:
    world = strict_world()
    world.say_text()
    world.send("response.create")
    answer = world.started(effects.StartAnswer)[-1]
    world.work(answer.job_id, 6)
    world.work(answer.speak_job_id, 3)
    item_id = world.last("response.output_item.added")["item"]["id"]
    world.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=1000)
    assert world.types()[-2:] == ["response.done", "conversation.item.truncated"]
    assert world.last("response.done")["response"]["status_details"]["reason"] == "client_cancelled"
    world.finish()
    world.advance(5)
    world.send("conversation.item.retrieve", item_id=item_id)
    assert world.last("conversation.item.retrieved")["item"]["content"][0]["transcript"] == "It is noon."
    assert world.types().count("conversation.item.truncated") == 1


def test_every_client_event_reaches_the_machine_but_the_one_with_samples() -> None:
    assert set(typing.get_args(ClientMessage)) - set(typing.get_args(ClientCommand)) == {InputAudioBufferAppend}
    assert typing.get_type_hints(inputs.Received)["message"] == ClientCommand


def test_an_output_buffer_is_not_for_a_websocket() -> None:
    world = World()
    world.send("output_audio_buffer.clear", event_id="clear")
    error = world.last("error")["error"]
    assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", "type", "clear")


def test_appends_beyond_the_buffer_are_refused() -> None:
    world = World(session_rules(max_buffer_s=1.0))
    world.send("session.update", session=MANUAL)
    world.append(900)
    world.tell(inputs.AudioAppended(200 * MS, "too much"))
    error = world.last("error")["error"]
    assert (error["code"], error["event_id"]) == ("input_audio_buffer_full", "too much")
    assert world.machine.state.buffer.written == 900 * MS


@pytest.mark.parametrize("ms", [0, 99, 100, 101, 5_000])
def test_audio_is_accepted_exactly_where_the_machine_says_so_before(ms: int) -> None:
    world = World(session_rules(max_buffer_s=1.0))
    world.send("session.update", session=MANUAL)
    world.append(900)
    is_accepted = world.machine.has_room(ms * MS)
    world.tell(inputs.AudioAppended(ms * MS))
    assert is_accepted is (ms <= 100)
    assert world.machine.state.buffer.written == (900 + ms * is_accepted) * MS


def test_a_session_that_is_over_accepts_no_audio() -> None:
    world = World(lasts_s=1.0)
    world.advance(2)
    assert world.machine.state.closed
    assert not world.machine.has_room(MS)
    world.tell(inputs.AudioAppended(MS))
    assert world.machine.state.buffer.written == 0
