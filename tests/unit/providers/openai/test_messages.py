"""Conversations take the form that chat completions insist on."""

from __future__ import annotations

import pytest

from antiphon.entities.chat import ChatMessage, ChatRequest, Tool, ToolCall
from antiphon.providers.openai.messages import messages_of, tools_of
from antiphon.providers.prompting.instructions import NO_OUTPUT, SILENCE

CALL = ChatMessage("assistant", tool_calls=(ToolCall("c1", "look", '{"a": 1}'), ToolCall("c2", "listen", "")))


def test_outputs_move_behind_their_calls() -> None:
    made = messages_of(
        [
            ChatMessage("user", "look"),
            CALL,
            ChatMessage("user", "hurry"),
            ChatMessage("tool", "heard", call_id="c2"),
            ChatMessage("tool", "seen", call_id="c1"),
        ]
    )
    assert [message["role"] for message in made] == ["user", "assistant", "tool", "tool", "user"]
    assert [message.get("tool_call_id") for message in made] == [None, None, "c1", "c2", None]
    assert [message["content"] for message in made] == ["look", None, "seen", "heard", "hurry"]


def test_a_call_without_output_gets_one() -> None:
    made = messages_of([CALL, ChatMessage("tool", "seen", call_id="c1")])
    assert [message["content"] for message in made] == [SILENCE, None, "seen", NO_OUTPUT]
    assert made[1]["tool_calls"][1]["function"]["arguments"] == "{}"


def test_an_output_without_its_call_is_told_by_the_user() -> None:
    (made,) = messages_of([ChatMessage("tool", "seen", call_id="gone")])
    assert made == {"role": "user", "content": "A function returned: seen"}


@pytest.mark.parametrize("messages", [[], [ChatMessage("system", " ")], [ChatMessage("user", " ")]])
def test_where_nobody_spoke_the_silence_is_told(messages: list[ChatMessage]) -> None:
    assert messages_of(messages) == [{"role": "user", "content": SILENCE}]


def test_instructions_come_first_and_the_user_first_and_last_of_the_others() -> None:
    told = [("assistant", "Hello!"), ("system", "Be brief."), ("assistant", "Hm?"), ("system", "Be kind.")]
    made = messages_of([ChatMessage(role, text) for role, text in told])
    assert [(message["role"], message["content"]) for message in made] == [
        ("system", "Be brief.\n\nBe kind."),
        ("user", SILENCE),
        ("assistant", "Hello!\nHm?"),
        ("user", SILENCE),
    ]


def test_neighbours_of_one_role_are_joined_pictures_and_calls_included() -> None:
    url = "data:image/png;base64,AAAA"
    made = messages_of(
        [
            ChatMessage("user", "one"),
            ChatMessage("user", "  "),
            ChatMessage("user", "two", images=(url,)),
            ChatMessage("user", "three"),
            ChatMessage("assistant", "I look."),
            CALL,
        ]
    )
    assert [message["role"] for message in made] == ["user", "assistant", "tool", "tool"]
    assert [part.get("text") or part["image_url"]["url"] for part in made[0]["content"]] == ["one", "two", url, "three"]
    assert made[1]["content"] == "I look."
    assert [call["id"] for call in made[1]["tool_calls"]] == ["c1", "c2"]


def test_half_characters_do_not_go_out() -> None:
    assert messages_of([ChatMessage("user", "a\ud800b")])[0]["content"] == "a?b"


def test_tools_are_left_out_where_there_are_none() -> None:
    assert tools_of(ChatRequest(())) == {}
    made = tools_of(ChatRequest((), tools=(Tool("hang_up"),), tool_choice="required"))
    assert made["tool_choice"] == "required"
    assert made["tools"][0]["function"] == {"name": "hang_up", "parameters": {"type": "object", "properties": {}}}
