"""Fields that a client secret locks cannot be set by its client; all others can."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulation import World

VAD = {"type": "server_vad", "threshold": 0.9}
INSIDE = [
    ("noise_reduction", "audio.input.noise_reduction", {"type": "near_field"}),
    ("transcription", "audio.input.transcription", None),
    ("turn_detection", "audio.input.turn_detection", VAD),
    ("turn_detection", "audio.input.turn_detection", None),
    ("speed", "audio.output.speed", 1.2),
    ("voice", "audio.output.voice", "cedar"),
    ("instructions", "instructions", "Say what you like."),
    ("tools", "tools", []),
]


def nested(path: str, value: object) -> dict[str, Any]:
    """Return an object that has ``value`` at ``path``."""
    for name in reversed(path.split(".")):
        value = {name: value}
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize(("name", "path", "value"), INSIDE)
def test_a_locked_field_is_refused_with_its_name_and_the_session_stays(name: str, path: str, value: object) -> None:
    world = World(locked=(name,))
    before = world.machine.state.session
    world.send("session.update", session={"type": "realtime", "max_output_tokens": 7} | nested(path, value))
    error = world.last("error")["error"]
    assert (error["code"], error["param"]) == ("locked_field", f"session.{path}")
    assert world.machine.state.session == before


@pytest.mark.parametrize(("name", "path"), [(name, path) for name, path, _ in INSIDE])
def test_fields_next_to_a_locked_one_can_be_set(name: str, path: str) -> None:
    world = World(locked=(name,))
    wish: dict[str, Any] = {"type": "realtime", "max_output_tokens": 7, "audio": {"input": {}, "output": {}}}
    world.send("session.update", session=wish)
    world.send("session.update", session={"type": "realtime", "max_output_tokens": 8})
    assert "error" not in world.types()
    assert world.last("session.updated")["session"]["max_output_tokens"] == 8


def test_a_response_may_not_set_a_locked_field_either() -> None:
    world = World(locked=("instructions", "voice"))
    for path, value in (("instructions", "Say what you like."), ("audio.output.voice", "cedar")):
        world.send("response.create", response=nested(path, value))
        error = world.last("error")["error"]
        assert (error["code"], error["param"]) == ("locked_field", f"response.{path}")
    assert not world.machine.state.responses
    world.send("response.create", response={"max_output_tokens": 5})
    assert world.machine.state.responses
