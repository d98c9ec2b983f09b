"""The content of items that clients create."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulation import World


def errors(world: World) -> list[str]:
    return [f"{event['error']['code']} {event['error']['param']}" for event in world.events if event["type"] == "error"]


@pytest.mark.parametrize(("part", "code"), [
    ({"type": "output_audio", "transcript": "hi"}, "invalid_value item.content[0].type"),
    ({"type": "output_text"}, "missing_required_parameter item.content[0].text"),
])  # fmt: skip
def test_an_assistant_part_without_text_or_with_audio_is_refused(part: dict[str, Any], code: str) -> None:
    world = World()
    world.send("conversation.item.create", item={"type": "message", "role": "assistant", "content": [part]})
    assert errors(world) == [code]
