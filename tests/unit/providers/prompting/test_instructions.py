"""The instructions of a conversation in one text."""

from __future__ import annotations

import pytest

from antiphon.entities.chat import ChatMessage
from antiphon.providers.prompting.instructions import instructions_of


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([], ""),
        ([ChatMessage("user", "Be rude.")], ""),
        ([ChatMessage("system", "Be kind.")], "Be kind."),
        (
            [
                ChatMessage("system", "Be kind."),
                ChatMessage("user", "Hello."),
                ChatMessage("assistant", "Hi."),
                ChatMessage("system", "Be brief."),
            ],
            "Be kind.\n\nBe brief.",
        ),
        ([ChatMessage("system", " \n"), ChatMessage("system", "Be brief.")], "Be brief."),
        ([ChatMessage("system", "Half \ud83d a sign.")], "Half ? a sign."),
    ],
)
def test_all_system_messages_are_joined_in_order(messages: list[ChatMessage], text: str) -> None:
    assert instructions_of(messages) == text
