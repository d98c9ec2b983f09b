"""Conversations take the form that the Messages API insists on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.entities.chat import ChatMessage, ChatRequest, Tool, ToolCall
from antiphon.providers.anthropic.messages import messages_of, tools_of
from antiphon.providers.prompting.instructions import NO_OUTPUT, SILENCE, instructions_of
from tests.fakes.anthropic_rules import complaint

CALL = ChatMessage("assistant", tool_calls=(ToolCall("c.1", "look", '{"a": 1}'), ToolCall("c.2", "listen", "")))
QUIET = {"role": "user", "content": [{"type": "text", "text": SILENCE}]}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def body(messages: tuple[ChatMessage, ...], **asked: Any) -> dict[str, Any]:
    """A request as the service gets it."""
    request = ChatRequest(messages, **asked)
    return {"model": "m", "max_tokens": 9, "messages": messages_of(messages), **tools_of(request)}


def results_of(message: dict[str, Any]) -> list[Any]:
    """The output of each call, and other text."""
    return [block["content"] if block["type"] == "tool_result" else block["text"] for block in message["content"]]


def said(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


def test_instructions_stand_apart_in_order() -> None:
    told = [("system", "Be brief."), ("user", "hi"), ("system", "Be kind."), ("system", "  ")]
    messages = [ChatMessage(role, text) for role, text in told]
    assert instructions_of(messages) == "Be brief.\n\nBe kind."
    assert messages_of(messages) == [user("hi")]


def test_neighbours_of_one_role_are_joined_and_blanks_are_dropped() -> None:
    told = [("user", "one"), ("user", " \n"), ("user", "two"), ("assistant", "three"), ("assistant", "four")]
    made = messages_of([ChatMessage(role, text) for role, text in [*told, ("user", "five")]])
    assert [(message["role"], [block["text"] for block in message["content"]]) for message in made] == [
        ("user", ["one", "two"]),
        ("assistant", ["three", "four"]),
        ("user", ["five"]),
    ]


@pytest.mark.parametrize("messages", [[], [ChatMessage("system", "Greet.")], [ChatMessage("user", " ")]])
def test_where_nobody_spoke_the_silence_is_told(messages: list[ChatMessage]) -> None:
    assert messages_of(messages) == [QUIET]


def test_the_user_is_first_and_last() -> None:
    made = messages_of([ChatMessage("assistant", "Hello!")])
    assert made == [QUIET, {"role": "assistant", "content": [{"type": "text", "text": "Hello!"}]}, QUIET]


def test_outputs_move_behind_their_calls_and_before_what_was_said() -> None:
    made = messages_of([
        ChatMessage("user", "look and listen"), CALL, ChatMessage("user", "hurry"),
        ChatMessage("tool", "heard", call_id="c.2"), ChatMessage("tool", "seen", call_id="c.1"),
    ])  # fmt: skip
    assert made[1]["content"] == [
        {"type": "tool_use", "id": "call_0", "name": "look", "input": {"a": 1}},
        {"type": "tool_use", "id": "call_1", "name": "listen", "input": {}},
    ]
    assert made[2]["role"] == "user"
    assert [block.get("tool_use_id") for block in made[2]["content"]] == ["call_0", "call_1", None]
    assert results_of(made[2]) == [said("seen"), said("heard"), "hurry"]


def test_a_call_without_output_gets_one_and_an_empty_output_stays_empty() -> None:
    made = messages_of([ChatMessage("user", "go"), CALL, ChatMessage("tool", "", call_id="c.1")])
    assert results_of(made[2]) == [[], said(NO_OUTPUT)]


def test_an_output_without_its_call_is_told_by_the_user() -> None:
    assert messages_of([ChatMessage("tool", "seen", call_id="gone")]) == [user("A function returned: seen")]


@pytest.mark.parametrize(("arguments", "expected"), [
    (" ", {}),
    ("{}", {}),
    ('{"a": [1, null]}', {"a": [1, None]}),
    ("[1]", {"arguments": "[1]"}),
    ('{"a": NaN}', {"arguments": '{"a": NaN}'}),
    ('{"half', {"arguments": '{"half'}),
    ('{"a": "\\ud800"}', {"arguments": '{"a": "\\ud800"}'}),
    ('{"a": "x\ud800"}', {"a": "x?"}),
    ('{"a":' * 5000, {"arguments": '{"a":' * 5000}),
], ids=lambda value: str(value)[:20].encode(errors="replace").decode())  # fmt: skip
def test_arguments_become_an_object_whatever_they_were(arguments: str, expected: dict[str, Any]) -> None:
    made = messages_of([ChatMessage("assistant", tool_calls=(ToolCall("c", "look", arguments),))])
    assert made[1]["content"][0]["input"] == expected


def test_half_characters_do_not_go_out() -> None:
    assert messages_of([ChatMessage("user", "a\ud800b")]) == [user("a?b")]
    assert instructions_of([ChatMessage("system", "a\ud800b")]) == "a?b"


@pytest.mark.parametrize(("url", "source"), [
    ("data:image/png;base64,AAAA", {"type": "base64", "media_type": "image/png", "data": "AAAA"}),
    ("data:image/webp;q=1;base64,AA==", {"type": "base64", "media_type": "image/webp", "data": "AA=="}),
    ("https://example.com/a,b.png", {"type": "url", "url": "https://example.com/a,b.png"}),
    ("data:image/svg+xml,<svg/>", {"type": "url", "url": "data:image/svg+xml,<svg/>"}),
])  # fmt: skip
def test_images_go_as_bytes_or_as_their_address(url: str, source: dict[str, str]) -> None:
    (made,) = messages_of([ChatMessage("user", "what is this?", images=(url,))])
    assert made["content"] == [{"type": "text", "text": "what is this?"}, {"type": "image", "source": source}]


@pytest.mark.parametrize(("choice", "parallel", "expected"), [
    ("auto", True, {"type": "auto"}),
    ("auto", False, {"type": "auto", "disable_parallel_tool_use": True}),
    ("required", True, {"type": "any"}),
    ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
    ("function:hang_up", True, {"type": "tool", "name": "hang_up"}),
    ("none", False, {"type": "none"}),
])  # fmt: skip
def test_the_choice_of_a_tool_is_told_in_the_service_s_words(
    choice: str, parallel: bool, expected: dict[str, Any]
) -> None:
    request = ChatRequest((), tools=(Tool("hang_up"),), tool_choice=choice, parallel_tool_calls=parallel)
    assert tools_of(request)["tool_choice"] == expected


def test_a_schema_is_an_object_and_keeps_the_rest() -> None:
    schema = {"properties": {"a": {"type": "string"}}, "required": ["a"]}
    tools = (Tool("hang_up"), Tool("look", "Look around", schema))
    assert tools_of(ChatRequest((), tools=tools))["tools"] == [
        {"name": "hang_up", "input_schema": {"type": "object", "properties": {}}},
        {"name": "look", "description": "Look around", "input_schema": {"type": "object", **schema}},
    ]


def test_tools_of_earlier_turns_are_named_but_forbidden() -> None:
    assert tools_of(ChatRequest((ChatMessage("user", "hi"),))) == {}
    made = tools_of(ChatRequest((CALL, CALL)))
    assert [tool["name"] for tool in made["tools"]] == ["look", "listen"]
    assert made["tool_choice"] == {"type": "none"}


_texts = st.sampled_from(["", " ", "hi", "a\ud800", "{}", "\x00"])
_ids = st.sampled_from(["", "c1", "c 2", "ü"])
_images = st.sampled_from([(), ("data:image/png;base64,AAAA",), ("https://example.com/a.png",)])
_calls = st.builds(
    ToolCall, _ids, st.sampled_from(["look", "listen"]), st.sampled_from(["", "{}", '{"a": 1}', "[", "\ud800"])
)
_messages = st.one_of(
    st.builds(ChatMessage, st.just("system"), _texts),
    st.builds(ChatMessage, st.just("user"), _texts, _images),
    st.builds(ChatMessage, st.just("assistant"), _texts, tool_calls=st.lists(_calls, max_size=2).map(tuple)),
    st.builds(ChatMessage, st.just("tool"), _texts, call_id=_ids),
)


@given(st.lists(_messages, max_size=8).map(tuple), st.booleans())
def test_whatever_was_said_the_service_takes_it(messages: tuple[ChatMessage, ...], with_tools: bool) -> None:
    tools = (Tool("look"), Tool("other")) if with_tools else ()
    assert complaint(body(messages, tools=tools)) is None


@pytest.mark.parametrize(("change", "expected"), [
    ({"max_tokens": 0}, "max_tokens"),
    ({"temperature": 1}, "Extra inputs"),
    ({"system": " "}, "system"),
    ({"messages": []}, "at least one message"),
    ({"messages": [user("a"), user("b")]}, "alternate"),
    ({"messages": [user("a"), {**user("b"), "role": "assistant"}]}, "prefill"),
    ({"messages": [user(" ")]}, "non-whitespace"),
    ({"messages": [user("\ud800")]}, "surrogate"),
    ({"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x"}]}]}, "previous message"),
    ({"messages": [user("a"), messages_of([CALL])[1], user("b")]}, "next message"),
    ({"messages": messages_of([CALL])}, "must define tools"),
    ({"tool_choice": {"type": "any"}}, "while providing tools"),
    ({"tools": [{"name": "a b", "input_schema": {"type": "object"}}]}, "tools.name"),
    ({"tools": [{"name": "a", "input_schema": {}}]}, "input_schema.type"),
    ({"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}}, "turned off"),
])  # fmt: skip
def test_the_scripted_service_refuses_what_the_real_one_does(change: dict[str, Any], expected: str) -> None:
    refused = complaint({"model": "m", "max_tokens": 9, "messages": [user("hi")], **change})
    assert refused is not None
    assert expected in refused
