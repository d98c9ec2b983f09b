"""The configuration of a session and its updates."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from antiphon.conversation.session import Defaults, describe, merge, voice_name
from antiphon.conversation.step import EventRefused
from antiphon.errors import InvalidRequest
from antiphon.wire.realtime_session import AnySessionUpdate, VoiceId
from tests.simulation import World
from tests.unit.conversation.stage import (
    session,
    strict_world,
    updated,
)


def test_absent_fields_of_nested_objects_stay_and_nulls_clear_them() -> None:
    world = strict_world()
    first = {"model": "whisper-1", "language": "de", "keywords": ["Antiphon"]}
    updated(world, audio={"input": {"transcription": first, "noise_reduction": {"type": "near_field", "strength": 1}}})
    second = {"language": None, "prompt": "names"}
    listening = updated(world, audio={"input": {"transcription": second}})["audio"]["input"]
    assert listening["transcription"] == {"model": "whisper-1", "keywords": ["Antiphon"], "prompt": "names"}
    assert listening["noise_reduction"] == {"type": "near_field", "strength": 1.0}
    cleared = updated(world, audio={"input": {"transcription": None, "noise_reduction": None}})["audio"]["input"]
    assert (cleared["transcription"], cleared["noise_reduction"]) == (None, None)


def test_a_turn_detection_of_another_type_begins_with_its_own_defaults() -> None:
    world = strict_world()
    server = {"type": "server_vad", "threshold": 0.8, "silence_duration_ms": 200, "create_response": False}
    updated(world, audio={"input": {"turn_detection": server}})
    kept = updated(world, audio={"input": {"turn_detection": {"type": "server_vad", "threshold": None}}})
    assert kept["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 200,
        "create_response": False,
        "interrupt_response": True,
        "idle_timeout_ms": None,
    }
    other = updated(world, audio={"input": {"turn_detection": {"type": "semantic_vad"}}})
    assert other["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    }


@pytest.mark.parametrize(
    ("wish", "echo"),
    [
        ({"tools": [{"type": "function", "name": "f", "description": None}]}, [{"type": "function", "name": "f"}]),
        ({"reasoning": {"effort": None}}, {}),
        ({"tracing": {"group_id": None, "workflow_name": "w"}}, {"workflow_name": "w"}),
        ({"prompt": {"id": "p", "version": None, "variables": None}}, {"id": "p"}),
        (
            {"truncation": {"type": "retention_ratio", "retention_ratio": 0.5, "token_limits": None}},
            {"type": "retention_ratio", "retention_ratio": 0.5},
        ),
        ({"instructions": None}, ""),
        ({"instructions": ""}, ""),
        ({"tools": None}, []),
        ({"tools": []}, []),
        ({"tool_choice": None}, "auto"),
        ({"output_modalities": None}, ["audio"]),
        ({"max_output_tokens": None}, "inf"),
        ({"truncation": None}, "auto"),
        ({"tracing": None}, None),
        ({"prompt": None}, None),
        ({"include": None}, None),
        ({"model": "another"}, "gpt-realtime"),
    ],
    ids=str,
)
def test_nulls_inside_a_wish_clear_and_are_not_echoed(wish: dict[str, Any], echo: Any) -> None:
    world = strict_world()
    first = {"instructions": "x", "tools": [{"type": "function", "name": "g"}], "max_output_tokens": 5}
    updated(world, **first, output_modalities=["text"], tracing="auto", truncation="disabled")
    (name,) = wish
    assert updated(world, **wish)[name] == echo


def test_a_null_output_keeps_the_voice_and_clears_the_rest() -> None:
    world = strict_world()
    updated(world, audio={"output": {"voice": {"id": "mine"}, "speed": 1.2, "format": {"type": "audio/pcma"}}})
    output = updated(world, audio={"output": {"voice": None, "speed": None, "format": None}})["audio"]["output"]
    assert output == {"voice": "mine", "speed": 1.0, "format": {"type": "audio/pcm", "rate": 24000}}
    assert updated(world, audio={"output": None})["audio"]["output"] == output
    assert updated(world, audio=None)["audio"]["output"] == output


@pytest.mark.parametrize("modes", [[], ["audio", "text"], ["text", "text"]])
def test_modalities_that_do_not_go_together_are_refused(modes: list[str]) -> None:
    world = strict_world()
    (error,) = world.send("response.create", response={"output_modalities": modes})
    assert error["error"]["param"] == "response.output_modalities"
    (error,) = world.send("session.update", session=session(output_modalities=modes))
    assert error["error"]["param"] == "session.output_modalities"


def test_the_voice_is_fixed_once_speech_was_sent_but_may_be_repeated() -> None:
    world = World()
    world.say_text()
    world.send("response.create")
    world.finish()
    other = {"type": "realtime", "audio": {"output": {"voice": "marin"}}}
    assert world.send("session.update", session=other)[0]["error"]["param"] == "session.audio.output.voice"
    same = {"type": "realtime", "audio": {"output": {"voice": "alloy"}}}
    assert world.send("session.update", session=same)[0]["type"] == "session.updated"


@pytest.mark.parametrize("event", ["session", "response"])
def test_tools_that_are_too_large_together_are_refused_and_the_session_stays_as_it_was(event: str) -> None:
    world = World()
    before = world.machine.state.session
    tools = [{"type": "function", "name": f"f{number}", "description": "x" * 16_000} for number in range(40)]
    if event == "session":
        world.send("session.update", session={"type": "realtime", "tools": tools})
    else:
        world.send("response.create", response={"tools": tools})
    error = world.last("error")["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", f"{event}.tools")
    assert world.machine.state.session == before
    assert not world.machine.state.responses


def errors(world: World) -> list[str]:
    return [f"{event['error']['code']} {event['error']['param']}" for event in world.events if event["type"] == "error"]


@pytest.mark.parametrize("place", ["session", "response"])
def test_a_choice_of_mcp_tools_is_refused_with_its_field(place: str) -> None:
    world = World()
    choice = {"type": "mcp", "server_label": "s"}
    if place == "session":
        world.send("session.update", session={"type": "realtime", "tool_choice": choice})
    else:
        world.send("response.create", response={"tool_choice": choice})
    assert errors(world) == [f"invalid_value {place}.tool_choice.type"]


@pytest.mark.parametrize("audio", [{"output": None}, {"input": None}, {}])
def test_a_null_in_place_of_audio_settings_changes_nothing(audio: dict[str, Any]) -> None:
    world = World()
    before = world.last("session.created")["session"]
    world.send("session.update", session={"type": "realtime", "audio": audio})
    assert world.last("session.updated")["session"] == before


def described(wish: dict[str, Any] | None, **options: Any) -> dict[str, Any]:
    update = None if wish is None else msgspec.convert(wish, AnySessionUpdate)
    defaults = Defaults(model="usual", voice="marin", speed=1.1, instructions="be brief", lasts_s=60.0)
    return msgspec.to_builtins(describe(update, defaults, now=1000.9, **options))


def test_a_new_session_has_the_defaults_of_the_server() -> None:
    made = described(None)
    assert (made["type"], made["model"], made["expires_at"], made["instructions"]) == (
        "realtime",
        "usual",
        1060,
        "be brief",
    )
    assert (made["audio"]["output"]["voice"], made["audio"]["output"]["speed"]) == ("marin", 1.1)
    assert made["id"].startswith("sess_")
    assert made["id"] != described(None)["id"]


@pytest.mark.parametrize(("wish", "url", "model"), [
    (None, "", "usual"),
    (None, "of-the-url", "of-the-url"),
    ({"type": "realtime"}, "of-the-url", "of-the-url"),
    ({"type": "realtime", "model": "of-the-secret"}, "of-the-url", "of-the-secret"),
])  # fmt: skip
def test_the_model_of_a_client_secret_takes_precedence_over_that_of_the_url(
    wish: dict[str, Any] | None, url: str, model: str
) -> None:
    assert described(wish, model=url)["model"] == model


@pytest.mark.parametrize(("url", "model"), [("", "whisper-1"), ("of-the-url", "of-the-url")])
def test_the_model_of_a_transcription_session_is_the_one_that_transcribes(url: str, model: str) -> None:
    made = described(None, model=url, transcribes=True)
    assert (made["type"], made["audio"]["input"]["transcription"]) == ("transcription", {"model": model})
    assert "output" not in made["audio"]


def test_the_type_of_a_client_secret_takes_precedence_over_that_of_the_url() -> None:
    assert described({"type": "realtime"}, transcribes=True)["type"] == "realtime"
    assert described({"type": "transcription"})["type"] == "transcription"


def test_a_wish_that_cannot_be_met_is_an_invalid_request_with_its_field() -> None:
    with pytest.raises(InvalidRequest) as refused:
        described({"type": "realtime", "output_modalities": ["audio", "text"]})
    assert (refused.value.code, refused.value.param) == ("invalid_value", "session.output_modalities")


@pytest.mark.parametrize(("present", "wished"), [("realtime", "transcription"), ("transcription", "realtime")])
def test_a_session_does_not_change_its_type(present: str, wished: str) -> None:
    session = describe(msgspec.convert({"type": present}, AnySessionUpdate), Defaults(), now=0.0)
    with pytest.raises(EventRefused, match=f"this is a {present} session") as refused:
        merge(session, msgspec.convert({"type": wished}, AnySessionUpdate))
    assert (refused.value.code, refused.value.param) == ("invalid_value", "session.type")


@pytest.mark.parametrize(("voice", "name"), [("alloy", "alloy"), (VoiceId("mine"), "mine")])
def test_a_voice_is_named_with_or_without_an_object_around_it(voice: str | VoiceId, name: str) -> None:
    assert voice_name(voice) == name


def test_a_transcription_session_is_updated_as_far_as_it_listens() -> None:
    session = describe(msgspec.convert({"type": "transcription"}, AnySessionUpdate), Defaults(), now=0.0)
    wish = {"type": "transcription", "audio": {"input": {"transcription": {"language": "de"}, "turn_detection": None}}}
    listening = merge(session, msgspec.convert(wish, AnySessionUpdate)).audio.input
    assert msgspec.to_builtins(listening.transcription) == {"model": "whisper-1", "language": "de"}
    assert listening.turn_detection is None
    assert merge(session, msgspec.convert({"type": "transcription"}, AnySessionUpdate)) == session


@pytest.mark.parametrize("event", ["session", "response"])
def test_an_mcp_tool_is_refused_with_its_index(event: str) -> None:
    world = World()
    tools = [{"type": "function", "name": "f"}, {"type": "mcp", "server_label": "s"}]
    if event == "session":
        world.send("session.update", session={"type": "realtime", "tools": tools})
    else:
        world.send("response.create", response={"tools": tools})
    assert errors(world) == [f"invalid_value {event}.tools[1].type"]
