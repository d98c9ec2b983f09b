"""Spans of whole requests and sessions: from the door over its jobs to the engines, in one trace."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from antiphon.observe.trace import MemorySink, Span, recording
from tests.serving import serving

SAID = "What nobody may read."
TRACE_ID, CALLER_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CALLER = {"traceparent": f"00-{TRACE_ID}-{CALLER_ID}-01"}


@pytest.fixture
def sink() -> Iterator[MemorySink]:
    """What is recorded during a test."""
    kept = MemorySink()
    with recording(kept):
        yield kept


async def ended(sink: MemorySink, name: str, number: int = 1) -> list[Span]:
    """Spans of this name, as soon as so many have ended."""
    async with asyncio.timeout(20):
        while len(found := [span for span in sink.spans if span.name == name]) < number:
            await asyncio.sleep(0.01)
    return found


async def test_a_request_its_job_and_the_engines_call_are_spans_of_the_callers_trace(
    sink: MemorySink, tmp_path: Path
) -> None:
    async with serving(tmp_path) as served, httpx.AsyncClient(base_url=served.url) as client:
        wish = {"model": "tts-1", "voice": "alloy", "input": SAID}
        answer = await client.post("/v1/audio/speech", json=wish, headers=CALLER)
        assert answer.status_code == 200
        (request,), (job,), (call,) = [await ended(sink, name) for name in ("request", "job", "engine.call")]
    assert (request.parent_id, job.parent_id, call.parent_id) == (CALLER_ID, request.span_id, job.span_id)
    assert {span.trace_id for span in (request, job, call)} == {TRACE_ID}
    assert request.attributes == {"method": "POST", "request_id": answer.headers["x-request-id"]}
    assert "nobody" not in repr(sink.spans)


async def test_a_session_its_jobs_and_their_engines_calls_are_spans_of_the_handshakes_trace(
    sink: MemorySink, tmp_path: Path
) -> None:
    async with serving(tmp_path) as served:
        async with served.connect(additional_headers=CALLER) as client:
            session_id = (await client.until("session.created"))["session"]["id"]
            content = [{"type": "input_text", "text": SAID}]
            await client.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
            await client.send("response.create")
            await client.until("response.done")
        (session,) = await ended(sink, "session")
        jobs, calls = await ended(sink, "job", 2), await ended(sink, "engine.call", 2)
    assert (session.trace_id, session.parent_id) == (TRACE_ID, CALLER_ID)
    assert session.attributes == {"session_id": session_id}
    assert {job.attributes["queue"] for job in jobs} == {"respond", "speak"}
    assert {job.parent_id for job in jobs} == {session.span_id}
    assert {call.parent_id for call in calls} == {job.span_id for job in jobs}
    assert {span.trace_id for span in sink.spans} == {TRACE_ID}
    assert "nobody" not in repr(sink.spans)
