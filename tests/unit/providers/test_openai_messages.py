"""Conversations take the form that chat completions insist on."""

from __future__ import annotations

from antiphon.entities.chat import ChatMessage, ChatRequest, Tool, ToolCall
from antiphon.providers.openai_messages import NO_OUTPUT, messages_of, tools_of

CALL = ChatMessage("assistant", tool_calls=(ToolCall("c1", "look", '{"a": 1}'), ToolCall("c2", "listen", "")))


def test_outputs_move_behind_their_calls() -> None:
    made = messages_of(
        [
            CALL,
            ChatMessage("user", "hurry"),
            ChatMessage("tool", "heard", call_id="c2"),
            ChatMessage("tool", "seen", call_id="c1"),
        ]
    )
    assert [message["role"] for message in made] == ["assistant", "tool", "tool", "user"]
    assert [message.get("tool_call_id") for message in made] == [None, "c1", "c2", None]
    assert [message["content"] for message in made] == [None, "seen", "heard", "hurry"]


def test_a_call_without_output_gets_one() -> None:
    made = messages_of([CALL, ChatMessage("tool", "seen", call_id="c1")])
    assert [message["content"] for message in made] == [None, "seen", NO_OUTPUT]
    assert made[0]["tool_calls"][1]["function"]["arguments"] == "{}"


def test_an_output_without_its_call_is_told_by_the_user() -> None:
    (made,) = messages_of([ChatMessage("tool", "seen", call_id="gone")])
    assert made == {"role": "user", "content": "A function returned: seen"}


def test_an_empty_conversation_asks_for_a_greeting() -> None:
    assert messages_of([])[0]["role"] == "system"


def test_half_characters_do_not_go_out() -> None:
    assert messages_of([ChatMessage("user", "a\ud800b")])[0]["content"] == "a?b"


def test_tools_are_left_out_where_there_are_none() -> None:
    assert tools_of(ChatRequest(())) == {}
    made = tools_of(ChatRequest((), tools=(Tool("hang_up"),), tool_choice="required"))
    assert made["tool_choice"] == "required"
    assert made["tools"][0]["function"] == {"name": "hang_up", "parameters": {"type": "object", "properties": {}}}
