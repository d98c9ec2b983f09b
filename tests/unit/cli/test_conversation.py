"""One spoken turn: what the client makes of the events it gets."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pybase64
import pytest

from antiphon.cli.conversation import Asked, Turn, _listen, _session


def event(kind: str, **fields: Any) -> SimpleNamespace:
    return SimpleNamespace(type=kind, **fields)


def delta(audio: bytes) -> SimpleNamespace:
    return event("response.output_audio.delta", delta=pybase64.b64encode(audio).decode())


def words(text: str) -> SimpleNamespace:
    return event("response.output_audio_transcript.delta", delta=text)


def heard(text: str) -> SimpleNamespace:
    return event("conversation.item.input_audio_transcription.completed", transcript=text)


def done(text: str = "", status: str = "completed", error: Any = None) -> SimpleNamespace:
    part = SimpleNamespace(transcript=text, text=None)
    details = SimpleNamespace(error=error) if error else None
    item = SimpleNamespace(content=[part] if text else None)
    return event("response.done", response=SimpleNamespace(status=status, output=[item], status_details=details))


async def listen(*events: SimpleNamespace, turn: Turn | None = None) -> tuple[Turn, str]:
    """Return the turn and what was shown."""
    shown: list[str] = []
    turn = turn or Turn(spoken_at=time.monotonic() - 0.01)

    async def connection() -> AsyncIterator[SimpleNamespace]:
        for one in events:
            yield one

    await _listen(connection(), turn, shown.append)
    return turn, "".join(shown)


async def test_words_and_sound_are_joined_to_the_end_of_the_answer() -> None:
    turn, shown = await listen(
        event("input_audio_buffer.speech_stopped"),
        heard("what time is it"),
        words("It is "),
        delta(b"ab"),
        words("noon."),
        delta(b"cd"),
        event("response.output_audio.done"),
        done("It is noon."),
        delta(b"not listened to any more"),
    )
    assert (turn.transcript, turn.answer, turn.audio) == ("what time is it", "It is noon.", b"abcd")
    assert shown == "you:    what time is it\nanswer: It is noon."
    assert all(value is not None and value > 0 for value in turn.latency_ms.values())


async def test_an_answer_that_was_interrupted_does_not_count() -> None:
    turn, _ = await listen(
        heard("what time"),
        words("It"),
        delta(b"xx"),
        done("It", "cancelled"),
        heard("is it"),
        delta(b"ab"),
        done("Noon."),
    )
    assert (turn.transcript, turn.answer, turn.audio) == ("what time is it", "Noon.", b"ab")


async def test_an_answer_to_the_first_part_of_the_question_does_not_count() -> None:
    speaking = Turn(spoken_at=time.monotonic() + 100)
    turn, _ = await listen(delta(b"xx"), done("Hm?"), turn=speaking)
    assert (turn.answer, turn.audio, turn.marks) == ("", b"", {})


async def test_a_stage_that_never_came_has_no_time() -> None:
    turn, _ = await listen(delta(b"ab"), done("Noon."))
    assert turn.latency_ms["transcript"] is None
    assert turn.latency_ms["first sound"] is not None


@pytest.mark.parametrize(("events", "why"), [
    ([event("error", error=SimpleNamespace(message="no such voice")), done()],
     "the server answered with an error: no such voice"),
    ([done(status="failed", error=SimpleNamespace(code="c", message="it broke"))],
     "the server answered with an error: it broke"),
    ([done(status="failed", error=SimpleNamespace(code="c"))], "the server answered with an error: c"),
    ([heard("hm"), done()], "no spoken answer came; it heard: 'hm'"),
    ([done()], "no spoken answer came; nothing was understood"),
])  # fmt: skip
async def test_why_nothing_was_answered_is_told(events: list[SimpleNamespace], why: str) -> None:
    turn, _ = await listen(*events)
    assert turn.why_silent == why


def test_only_wishes_that_were_made_are_sent() -> None:
    plain = _session(Asked("http://x", "k", "m"))
    assert plain == {"type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}
    full = _session(Asked("http://x", "k", "m", voice="alto", instructions="Be brief."))
    assert (full["audio"]["output"], full["instructions"]) == ({"voice": "alto"}, "Be brief.")
