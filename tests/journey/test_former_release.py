"""Clients and jobs of the former release continue at this one: its sessions are resumed, and its jobs are done."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from antiphon.bus.redis.bus import RedisBus
from antiphon.connections.redis import RedisConnection
from antiphon.wire.entries import (
    AnswerDone,
    FragmentDubbed,
    PipeEntry,
    ScoreReady,
    SpeechDone,
    TranscriptReady,
    TranslationReady,
)
from tests.former_release import restore, written
from tests.options import pipe_limit, queue_limit
from tests.serving import Client, Served, recording, serving, silence
from tests.valkey import valkey

SPEECH = {"stub_llm_words": 36, "stub_tts_ms_per_word": 12, "stub_text": "what is the time"}
"""As the former release was configured."""
GOLDEN: dict[str, type[PipeEntry]] = {
    "golden-translate": TranslationReady,
    "golden-speak": SpeechDone,
    "golden-transcribe": TranscriptReady,
    "golden-background": TranscriptReady,
    "golden-score": ScoreReady,
    "golden-respond": AnswerDone,
}


@pytest.fixture
def left() -> Iterator[str]:
    """The URL of a server with what the former release has left."""
    with valkey() as server:
        with redis.Redis.from_url(server.url) as client:
            restore(client)
        yield server.url


@contextlib.asynccontextmanager
async def resumed(served: Served, name: str, **query: str) -> AsyncIterator[Client]:
    """Resume a session of the former release behind the last event that its client has got."""
    facts = written().facts[name]
    wish = {"session_id": facts["session"], "after": facts["after"], **query}
    async with served.connect("&".join(f"{field}={value}" for field, value in wish.items())) as client:
        created = await client.receive()
        assert created["type"] == "session.created"
        assert created["session"]["id"] == facts["session"]
        yield client


async def ended(client: Client) -> dict[str, Any]:
    """Return the response after the resumption, or in it."""
    done = next((event for event in client.events if event["type"] == "response.done"), None)
    return (done or await client.until("response.done"))["response"]


async def test_a_conversation_is_resumed_with_its_items_and_answers_a_fresh_turn(left: str, tmp_path: Path) -> None:
    facts = written().facts["conversation"]
    async with serving(tmp_path, redis_url=left, **SPEECH) as served:
        async with resumed(served, "conversation", after=facts["missed"]) as client:
            assert client.events[0]["session"]["instructions"] == "Be very brief."
            await client.until("antiphon.session.resumed")
            missed = [event["event_id"] for event in client.events[1:-1]]
            assert missed == sorted(missed)
            assert missed[-1] == facts["after"]
            for item_id in facts["items"]:
                await client.send("conversation.item.retrieve", item_id=item_id)
                assert (await client.until("conversation.item.retrieved"))["item"]["id"] == item_id
            await client.send("conversation.item.retrieve", item_id=facts["gone"])
            assert (await client.until("error"))["error"]["param"] == "item_id"
            await client.append(recording("spk1_snt4.wav")[:48_000])
            await client.append(silence(1.5))
            done = await client.until("response.done")
            assert done["response"]["status"] == "completed"
            assert done["response"]["usage"]["input_token_details"]["audio_tokens"] > 0
        async with resumed(served, "transcription") as client:
            await client.append(recording("spk1_snt4.wav")[:48_000])
            await client.append(silence(1.5))
            done = await client.until("conversation.item.input_audio_transcription.completed")
            assert done["transcript"] == "what is the time"


async def test_turns_and_jobs_that_were_left_are_done(left: str, tmp_path: Path) -> None:
    async with serving(tmp_path, redis_url=left, bus_lease_s=0.5, **SPEECH) as served:
        async with resumed(served, "unanswered") as client:
            response = await ended(client)
            assert response["status"] == "completed"
            assert len(response["output"][0]["content"][0]["transcript"].split()) == 36
        async with resumed(served, "answering") as client:  # its worker was killed, and cannot be continued
            response = await ended(client)
            assert response["status"] == "failed"
            assert len(response["output"][0]["content"][0]["transcript"].split()) < 36
            await client.send("response.create")
            assert (await client.until("response.done"))["response"]["status"] == "completed"
        async with resumed(served, "unheard") as client:
            await client.send("response.create")
            assert (await client.until("response.done"))["response"]["status"] == "completed"
        connection = RedisConnection(left)
        bus = RedisBus(connection, queue_limit(), pipe_limit())
        await bus.start()
        try:
            async with asyncio.timeout(10):
                for job_id, kind in GOLDEN.items():
                    assert isinstance(await last(bus, f"t:default:golden:{{{job_id}}}"), kind)
                dubbed = await last(bus, dub_pipe())
                assert isinstance(dubbed, FragmentDubbed)
                assert dubbed.status == "success"
                while await bus.depth("persist"):
                    await asyncio.sleep(0.02)
        finally:
            await bus.close()
            await connection.close()
    query = "SELECT item_id FROM conversation_items WHERE session_id = ? ORDER BY position"
    facts = written().facts["conversation"]
    with contextlib.closing(sqlite3.connect(tmp_path / "antiphon.db")) as database:
        rows = [item_id for (item_id,) in database.execute(query, (facts["session"],))]
    assert [item_id for item_id in rows if item_id in facts["items"]] == facts["items"]


async def last(bus: RedisBus, pipe: str) -> PipeEntry:
    """Return the last entry of a job."""
    async with contextlib.aclosing(bus.read(pipe)) as entries:
        async for _, entry in entries:
            if entry.is_last:
                return entry
    raise AssertionError(f"{pipe} was dropped")


def dub_pipe() -> str:
    """Return the name of the pipe that waits for the fragment."""
    (key,) = written().hashes("t:default:job:{").keys() & {
        name for name in written().hashes("t:default:job:{") if name.endswith(":pipe:state")
    }
    return key.removesuffix(":pipe:state")
