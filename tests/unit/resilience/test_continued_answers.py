"""An answer continues after its prefix, natively or because the engine is told so, and repeats nothing of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from antiphon.entities.capabilities import Capabilities
from antiphon.entities.chat import ChatDone, ChatEvent, ChatMessage, ChatRequest, TextDelta, ToolCallDelta
from antiphon.errors import ProviderUnavailable
from antiphon.resilience.empty_answers import answered
from antiphon.text.tokens import estimate_tokens
from tests.fakes.engines import ScriptedLlm

SAID = "It is noon. The sun"
ASKED = ChatRequest((ChatMessage("system", "Be brief."), ChatMessage("user", "When?")), prefix=SAID)
TOKENS = estimate_tokens(SAID)
CALL = ToolCallDelta(0, "call", "hang_up", "{}")


class Continuing(ScriptedLlm):
    capabilities = Capabilities("continuing", continues=True)


async def collect(engine: ScriptedLlm, request: ChatRequest = ASKED) -> list[ChatEvent]:
    return [event async for event in answered(engine, request)]


async def told(*script: Any, **asked: Any) -> list[ChatEvent]:
    return await collect(ScriptedLlm(script), replace(ASKED, **asked))


async def test_an_engine_that_continues_is_asked_as_it_is_and_what_it_says_is_not_touched() -> None:
    script = [TextDelta(" The sun"), TextDelta(" "), ChatDone("stop", 3, 9)]
    engine = Continuing(script)
    assert await collect(engine) == script
    assert engine.asked == [(ASKED,)]


async def test_another_is_shown_what_was_said_and_told_to_continue() -> None:
    engine = ScriptedLlm([TextDelta("sun is"), TextDelta(" high."), ChatDone("stop", 30, 4, 2)])
    assert await collect(engine) == [TextDelta(" is"), TextDelta(" high."), ChatDone("stop", 30, TOKENS + 4, 2)]
    ((asked,),) = engine.asked
    assert asked.prefix == ""
    assert asked.messages[:3] == (*ASKED.messages, ChatMessage("assistant", SAID))
    assert [message.role for message in asked.messages[3:]] == ["user"]
    assert "last word" in asked.messages[3].text


@pytest.mark.parametrize("said", ["It is noon.", "It is noon, ", "正午です"])
async def test_behind_a_whole_word_nothing_of_it_is_asked_for_again(said: str) -> None:
    engine = ScriptedLlm([ChatDone("stop")])
    await collect(engine, replace(ASKED, prefix=said))
    assert "last word" not in engine.asked[0][0].messages[-1].text


@pytest.mark.parametrize("again", ["", "sun", "The sun", SAID])
async def test_an_answer_that_had_ended_continues_with_nothing(again: str) -> None:
    assert await told(TextDelta(again), ChatDone("stop", 3, 1)) == [ChatDone("stop", 3, TOKENS + 1)]


async def test_a_call_behind_what_was_said_is_made_when_all_words_are_out() -> None:
    events = await told(TextDelta("sun rises"), CALL, ChatDone("tool_calls"))
    assert events == [TextDelta(" rises"), CALL, ChatDone("tool_calls", output_tokens=TOKENS)]


async def test_the_bound_of_the_answer_holds_for_all_of_it() -> None:
    engine = ScriptedLlm([TextDelta("sun is"), ChatDone("length", 3, 2)])
    assert (await collect(engine, replace(ASKED, max_tokens=TOKENS + 2)))[-1].finish_reason == "length"
    assert engine.asked[0][0].max_tokens == 2


async def test_an_answer_that_has_reached_its_bound_asks_nobody() -> None:
    engine = ScriptedLlm([])
    done = ChatDone("length", output_tokens=TOKENS)
    assert await collect(engine, replace(ASKED, max_tokens=TOKENS)) == [done]
    assert engine.asked == []


async def test_what_was_held_back_when_the_engine_failed_is_not_said() -> None:
    engine = ScriptedLlm([TextDelta("The sun"), ProviderUnavailable("gone")])
    heard: list[ChatEvent] = []
    with pytest.raises(ProviderUnavailable, match="gone"):
        heard += [event async for event in answered(engine, ASKED)]
    assert heard == []
    assert engine.left == 1
