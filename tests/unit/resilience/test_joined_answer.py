"""An answer that several engines write: each continues the words so far, and none continues a call."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from antiphon.entities.capabilities import Capabilities
from antiphon.entities.chat import ChatDone, ChatEvent, ChatMessage, ChatRequest, TextDelta, ToolCallDelta
from antiphon.errors import ProviderUnavailable
from antiphon.resilience.joined_answer import JoinedAnswer
from tests.fakes.engines import ScriptedLlm

ASKED = ChatRequest((ChatMessage("user", "When?"),))
BROKEN = ProviderUnavailable("x")


class Continuing(ScriptedLlm):
    capabilities = Capabilities("continuing", continues=True)


async def part(answer: JoinedAnswer, engine: ScriptedLlm) -> list[ChatEvent]:
    """Return what an engine adds, up to its end or its failure."""
    found: list[ChatEvent] = []
    with suppress(ProviderUnavailable):
        async for event in answer.by(engine):
            found.append(event)  # noqa: PERF401 -- what came before a failure is wanted too
    return found


async def test_each_engine_is_asked_to_continue_the_words_of_those_before() -> None:
    answer = JoinedAnswer(ASKED)
    first = Continuing([TextDelta("It is "), TextDelta("noon"), BROKEN])
    second = Continuing([TextDelta(", and"), BROKEN])
    third = Continuing([TextDelta(" sunny."), ChatDone("stop")])
    parts = [await part(answer, engine) for engine in (first, second, third)]
    assert parts[2] == [TextDelta(" sunny."), ChatDone("stop")]
    prefixes = [engine.asked[0][0].prefix for engine in (first, second, third)]
    assert prefixes == ["", "It is noon", "It is noon, and"]
    assert answer.can_continue()


async def test_a_prefix_of_the_request_comes_first() -> None:
    answer = JoinedAnswer(replace(ASKED, prefix="It is"))
    engine = Continuing([TextDelta(" noon."), ChatDone("stop")])
    assert await part(answer, engine) == [TextDelta(" noon."), ChatDone("stop")]
    assert engine.asked[0][0] == replace(ASKED, prefix="It is")


@pytest.mark.parametrize("before", [[], [TextDelta("One moment.")]])
async def test_a_call_that_has_begun_cannot_be_continued(before: list[ChatEvent]) -> None:
    answer = JoinedAnswer(ASKED)
    assert answer.can_continue()
    await part(answer, Continuing([*before, ToolCallDelta(0, "c", "hang_up", ""), BROKEN]))
    assert not answer.can_continue()


async def test_an_engine_that_fails_before_a_word_leaves_the_answer_as_it_was() -> None:
    answer = JoinedAnswer(ASKED)
    assert await part(answer, Continuing([BROKEN])) == []
    engine = Continuing([TextDelta("Noon."), ChatDone("stop")])
    await part(answer, engine)
    assert engine.asked[0][0] == ASKED


async def test_the_calls_of_all_engines_end() -> None:
    answer, engine = JoinedAnswer(ASKED), Continuing([TextDelta("It"), TextDelta(" is")])
    events = answer.by(engine)
    await anext(events)
    await events.aclose()
    assert engine.left == 1
