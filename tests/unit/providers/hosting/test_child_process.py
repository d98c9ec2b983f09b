"""An engine in its own process: what happens to it, and to the callers that wait for it."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import aclosing
from pathlib import Path

import pytest

from antiphon.entities.priority import LIVE, TOLERANT
from antiphon.errors import ProviderTimeout, ProviderUnavailable, WeightsMissing
from antiphon.providers.hosting.child_process import ChildProcess
from antiphon.providers.hosting.frames import Say
from antiphon.resilience.priority_semaphore import priority
from tests.unit.providers.hosting.stage import ENDLESS, MODULE, process, say


async def test_the_first_request_starts_it_and_it_describes_itself(child: ChildProcess) -> None:
    assert await say(child, "ab") == [b"ab"]
    ready = await child.start()
    assert (ready.rate_hz, ready.voices) == (8_000, (("tone", "en", "A tone"),))


async def test_every_caller_gets_the_answer_to_its_own_request(child: ChildProcess) -> None:
    texts = [f"number{index:02}" for index in range(20)]
    answers = await asyncio.gather(*(say(child, text) for text in texts))
    assert answers == [[text.encode()] for text in texts]


async def test_the_most_urgent_sentence_is_next(child: ChildProcess) -> None:
    done: list[str] = []

    async def ask(text: str, urgency: int) -> None:
        priority.set(urgency)
        await say(child, text)
        done.append(text)

    await child.start()
    wishes = (("pieces 5", LIVE), ("tolerant", TOLERANT), ("more", TOLERANT), ("live", LIVE))
    await asyncio.gather(*(ask(*wish) for wish in wishes))
    assert done == ["pieces 5", "live", "tolerant", "more"]


async def test_a_bad_sentence_fails_alone(child: ChildProcess) -> None:
    bad, good = await asyncio.gather(say(child, "fail"), say(child, "good"), return_exceptions=True)
    assert isinstance(bad, ProviderUnavailable)
    assert "no such phoneme" in str(bad)
    assert "phoneme" not in bad.message
    assert good == [b"good"]


async def test_a_process_that_died_is_started_again_without_a_word(child: ChildProcess) -> None:
    await child.start()
    pid = child.pid
    os.kill(pid, signal.SIGKILL)
    assert await say(child, "back") == [b"back"]
    assert child.pid != pid


async def test_a_process_that_dies_while_speaking_fails_that_speech(child: ChildProcess) -> None:
    speech = child.ask(lambda id_: Say(id_, "pieces 1000"))
    await anext(speech)
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(ProviderUnavailable, match="died"):
        _ = [reply async for reply in speech]
    assert await say(child, "back") == [b"back"]


async def test_a_sentence_that_kills_two_processes_fails(child: ChildProcess) -> None:
    with pytest.raises(ProviderUnavailable, match="died"):
        await say(child, "die")


async def test_a_model_that_does_not_load_says_why() -> None:
    child = process("fail-to-load")
    with pytest.raises(ProviderUnavailable, match="the model file is broken"):
        await child.start()
    await child.close()


async def test_a_missing_library_is_named_with_the_command_that_brings_it() -> None:
    child = ChildProcess("piper", MODULE, needs="no_such_library", timeout_s=5.0)
    with pytest.raises(WeightsMissing, match=r"no_such_library.*pip install 'antiphon\[piper\]'"):
        await child.start()
    await child.close()


async def test_a_closed_process_is_gone_and_stays_so() -> None:
    child = process()
    await child.start()
    pid = child.pid
    await child.close()
    await child.close()
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(ProviderUnavailable, match="closed"):
        await say(child, "anything")


async def test_waiting_for_a_turn_does_not_count_as_time_of_the_call() -> None:
    child = process(timeout_s=1.0)
    long, short = await asyncio.gather(say(child, "pieces 110"), say(child, "next"))  # the first takes 1.1 s
    assert (len(long), short) == (110, [b"next"])
    await child.close()


async def test_a_cancelled_sentence_stops_in_the_process(child: ChildProcess) -> None:
    async with aclosing(child.ask(lambda id_: Say(id_, ENDLESS))) as replies:
        await anext(replies)
    assert await say(child, "next") == [b"next"]


async def test_sentences_cancelled_while_they_wait_are_not_spoken(child: ChildProcess) -> None:
    async with aclosing(child.ask(lambda id_: Say(id_, ENDLESS))) as replies:
        await anext(replies)
        waiting = [asyncio.create_task(say(child, ENDLESS)) for _ in range(4)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    assert await say(child, "next") == [b"next"]


async def test_a_silent_process_is_killed_at_the_deadline_and_replaced() -> None:
    child = process(timeout_s=1.0)
    await child.start()
    pid = child.pid
    with pytest.raises(ProviderTimeout, match="scripted"):
        await say(child, "hang")
    assert await say(child, "back") == [b"back"]
    assert child.pid != pid
    await child.close()


async def test_closing_fails_the_request_in_progress(child: ChildProcess) -> None:
    replies = child.ask(lambda id_: Say(id_, ENDLESS))
    await anext(replies)
    await child.close()
    with pytest.raises(ProviderUnavailable, match="died"):
        _ = [reply async for reply in replies]
