"""Forced calls as a stream, and what is looked at of a conversation however long it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antiphon.entities.chat import ChatMessage, ChatRequest, Tool
from antiphon.errors import InvalidRequest
from antiphon.providers.prompting.tool_choice import call_deltas, count_words, example_call, last_user_text, named_tool


def said(text: str, *tools: Tool) -> ChatRequest:
    return ChatRequest((ChatMessage("user", text),), tools)


@pytest.mark.parametrize(("size", "pieces"), [(0, 0), (1, 1), (16, 1), (17, 2), (1000, 63), (65_536, 64), (2**20, 64)])
def test_a_call_comes_in_pieces_of_which_there_are_never_many(size: int, pieces: int) -> None:
    arguments = "x" * size
    deltas = list(call_deltas("f", arguments))
    assert len(deltas) == pieces
    assert "".join(delta.arguments for delta in deltas) == arguments
    assert len({delta.call_id for delta in deltas}) <= 1


async def test_arguments_are_filled_from_the_text() -> None:
    schema = {"properties": {"days": {"type": "integer"}}, "required": ["days"]}
    deltas = await example_call(Tool("f", "", schema), "for 3 days")
    assert json.loads("".join(delta.arguments for delta in deltas)) == {"days": 3}


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"x": {"type": "string", "minLength": 10**8}}, "required": ["x"]},
        {"type": "array", "minItems": 10**6},
        {"allOf": [{"$ref": "#"}, {"$ref": "#"}]},
        {"type": "number", "minimum": 10**400},
        {"type": "number", "minimum": 1e308, "multipleOf": 1e-308},
        {"properties": 7},
        {"required": [7]},
    ],
)
async def test_parameters_that_cannot_be_filled_in_are_refused_by_the_name_of_their_tool(
    schema: dict[str, Any],
) -> None:
    with pytest.raises(InvalidRequest, match="'greedy'") as refused:
        await example_call(Tool("greedy", "", schema), "hello")
    assert refused.value.param == "tools"


def test_a_named_tool_is_found_at_the_beginning_of_a_text_of_megabytes() -> None:
    tools = [Tool(f"tool_{number}") for number in range(128)]
    assert named_tool(said("use tool 100 " + "x" * 2**22, *tools)) == tools[1]  # "tool 1" stands there as well
    assert named_tool(said("x" * 2**22 + " use tool 100", *tools)) is None


def test_of_a_text_of_megabytes_the_beginning_is_taken() -> None:
    assert last_user_text(said("hello " * 2**20)).startswith("hello hello")
    assert len(last_user_text(said("hello " * 2**20))) == 2**14


def test_words_are_counted_and_those_of_a_very_long_text_by_its_length() -> None:
    assert count_words(said("one two\n three")) == 3
    assert count_words(said("hello " * 2**20)) == pytest.approx(2**20, rel=0.01)
