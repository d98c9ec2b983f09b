"""Memories in a request to the LLM."""

from __future__ import annotations

from antiphon.entities.chat import ChatMessage, ChatRequest
from antiphon.memory.prompt import MOST_CHARACTERS, question, with_memories

REQUEST = ChatRequest(
    (
        ChatMessage("system", "Be brief."),
        ChatMessage("user", "hi"),
        ChatMessage("assistant", "Hello."),
        ChatMessage("user", "What do I like?"),
    )
)


def test_they_are_a_numbered_list_before_the_users_last_words() -> None:
    made = with_memories(REQUEST, ["I like\n tea", "I like walks"])
    assert [message.role for message in made.messages] == ["system", "user", "assistant", "system", "user"]
    assert made.messages[3].text == "Relevant memories:\n1. I like tea\n2. I like walks"
    assert made.messages[4] == REQUEST.messages[3]


def test_a_tool_answer_after_the_users_words_stays_behind_them() -> None:
    request = ChatRequest((ChatMessage("user", "look"), ChatMessage("tool", "seen", call_id="c")))
    assert [message.role for message in with_memories(request, ["a"]).messages] == ["system", "user", "tool"]


def test_without_memories_the_request_stays_as_it_is() -> None:
    assert with_memories(REQUEST, []) is REQUEST
    assert with_memories(REQUEST, ["x" * (MOST_CHARACTERS + 1)]) is REQUEST


def test_memories_beyond_the_length_are_left_out() -> None:
    made = with_memories(REQUEST, ["a", "b" * MOST_CHARACTERS, "c"])
    assert made.messages[3].text == "Relevant memories:\n1. a"


def test_the_question_is_the_users_last_message() -> None:
    assert question(REQUEST) == "What do I like?"
    assert question(ChatRequest((ChatMessage("system", "x"),))) == ""
