"""An answer begins with a word or a call, or it is a failure."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.entities.chat import ChatDone, ChatEvent, ChatMessage, ChatRequest, TextDelta, ToolCallDelta
from antiphon.errors import ProviderUnavailable
from antiphon.resilience.empty_answers import answered
from tests.fakes.engines import ScriptedLlm

ASKED = ChatRequest((ChatMessage("user", "hello"),))
BOUNDED = ChatRequest(ASKED.messages, max_tokens=4)
STOP, CUT, REFUSED = ChatDone("stop"), ChatDone("length"), ChatDone("content_filter")
CALL = ToolCallDelta(0, "c", "hang_up", "")


async def collect(*script: Any, request: ChatRequest = ASKED) -> list[ChatEvent]:
    engine = ScriptedLlm(script)
    try:
        return [event async for event in answered(engine, request)]
    finally:
        assert engine.left == len(engine.asked) == 1


@pytest.mark.parametrize(
    "script", [[], [STOP], [TextDelta(""), TextDelta(" \n"), STOP], [CUT], [ChatDone("tool_calls")]]
)
async def test_an_answer_of_nothing_is_a_failure(script: list[ChatEvent]) -> None:
    with pytest.raises(ProviderUnavailable) as raised:
        await collect(*script)
    assert raised.value.code == "empty_answer"


async def test_blanks_before_the_first_word_are_left_out_and_none_behind_it() -> None:
    said = [TextDelta("\n"), TextDelta("  Good"), TextDelta(" "), TextDelta("day."), STOP]
    assert await collect(*said) == [TextDelta("Good"), *said[2:]]


async def test_a_call_is_an_answer() -> None:
    assert await collect(TextDelta(" "), CALL, ChatDone("tool_calls")) == [CALL, ChatDone("tool_calls")]


@pytest.mark.parametrize(("request_", "end"), [(BOUNDED, CUT), (ASKED, REFUSED)], ids=["bound", "content"])
async def test_an_answer_that_was_stopped_before_its_first_word_says_so(request_: ChatRequest, end: ChatDone) -> None:
    assert await collect(end, request=request_) == [end]


async def test_what_the_engine_raises_rises() -> None:
    with pytest.raises(ProviderUnavailable, match="away"):
        await collect(TextDelta(" "), ProviderUnavailable("away"))
