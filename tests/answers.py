"""Reading what a language model has answered."""

from __future__ import annotations

from collections.abc import Iterable

from antiphon.entities.chat import ChatEvent, TextDelta, ToolCallDelta


def text_of(events: Iterable[ChatEvent]) -> str:
    """Return all text, joined."""
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def joined_calls(events: Iterable[ChatEvent]) -> list[tuple[int, str, str, str]]:
    """Return index, id, name and arguments of each call."""
    made: dict[int, tuple[int, str, str, str]] = {}
    for event in events:
        if isinstance(event, ToolCallDelta):
            _, _, _, before = made.get(event.index, (0, "", "", ""))
            made[event.index] = (event.index, event.call_id, event.name, before + event.arguments)
    return list(made.values())
