"""Whole answers, and those that are sent while they are made."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from structlog.testing import capture_logs

from antiphon.doors.http.responses import Streaming, Whole, error_event, event
from antiphon.errors import NotFound, ProviderUnavailable
from tests.unit.doors.asgi_call import Answered, ask, scope_of

SCOPE = scope_of(path="/v1/audio/speech")


class Chunks:
    """Chunks of an answer, which note that they were closed; an exception among them is raised."""

    def __init__(self, *parts: bytes | Exception, hold: asyncio.Event | None = None) -> None:
        self.parts = parts
        self.hold = hold
        self.is_closed = False

    async def stream(self) -> AsyncGenerator[bytes]:
        try:
            for part in self.parts:
                if isinstance(part, Exception):
                    raise part
                yield part
            if self.hold is not None:
                await self.hold.wait()
        finally:
            self.is_closed = True


async def stays() -> Any:
    """A client that never hangs up."""
    return await asyncio.Event().wait()


async def sent(chunks: Chunks, **options: Any) -> Answered:
    answered = Answered()
    await Streaming(chunks.stream(), "audio/wav", **options)(SCOPE, stays, answered.send)
    return answered


async def test_a_whole_answer_says_its_length_and_its_own_headers() -> None:
    answer = await ask(Whole(b"made", "text/plain", status=201, headers={"location": "/1"}))
    assert (answer.status, answer.body) == (201, b"made")
    assert answer.headers == {"content-type": "text/plain", "content-length": "4", "location": "/1"}


async def test_chunks_are_sent_one_by_one_and_empty_ones_not_at_all() -> None:
    chunks = Chunks(b"a", b"", b"b")
    answered = await sent(chunks, headers={"x-own": "1"})
    assert answered.headers == {"content-type": "audio/wav", "x-own": "1"}
    bodies = [(message["body"], message["more_body"]) for message in answered.messages[1:]]
    assert bodies == [(b"a", True), (b"b", True), (b"", False)]
    assert chunks.is_closed


async def test_an_answer_that_fails_without_a_last_chunk_is_not_ended() -> None:
    chunks = Chunks(b"a", ProviderUnavailable("gone"))
    with capture_logs() as logs:
        answered = await sent(chunks)
    assert [message.get("more_body") for message in answered.messages[1:]] == [True]
    assert chunks.is_closed
    told = {"path": "/v1/audio/speech", "error": "api_error", "code": "provider_unavailable"}
    assert told.items() <= logs[0].items()
    assert logs[0]["event"] == "response failed after its start"


async def test_an_answer_that_fails_ends_with_its_last_chunk() -> None:
    answered = await sent(Chunks(b"a", ProviderUnavailable("gone")), last_chunk=error_event)
    assert answered.body == b"a" + error_event(ProviderUnavailable("gone"))
    assert answered.messages[-1]["more_body"] is False


async def test_a_fault_of_ours_is_raised() -> None:
    chunks = Chunks(b"a", ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await sent(chunks)
    assert chunks.is_closed


async def test_chunks_are_closed_when_the_client_hangs_up() -> None:
    chunks, first = Chunks(b"a", hold=asyncio.Event()), asyncio.Event()
    answered = Answered()

    async def send(message: Any) -> None:
        await answered.send(message)
        if message.get("body"):
            first.set()

    async def receive() -> Any:
        await first.wait()
        return {"type": "http.disconnect"}

    await Streaming(chunks.stream(), "audio/wav")(SCOPE, receive, send)
    assert chunks.is_closed
    assert [message.get("more_body") for message in answered.messages[1:]] == [True]


async def test_chunks_are_closed_when_the_request_is_cancelled() -> None:
    chunks, first = Chunks(b"a", hold=asyncio.Event()), asyncio.Event()

    async def send(message: Any) -> None:
        if message.get("body"):
            first.set()

    answering = asyncio.ensure_future(Streaming(chunks.stream(), "audio/wav")(SCOPE, stays, send))
    await first.wait()
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    assert chunks.is_closed


def test_an_event_is_one_line_of_json() -> None:
    assert event({"text": "a\nb"}) == b'data: {"text":"a\\nb"}\n\n'
    last = error_event(NotFound("no", param="model"))
    told = {"message": "no", "type": "not_found_error", "param": "model", "code": "not_found"}
    assert json.loads(last.removeprefix(b"data: ")) == {"error": told}
