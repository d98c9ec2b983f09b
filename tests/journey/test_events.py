"""A conversation reaches analytics and the memory, and the next conversation knows what was said."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from tests.serving import Served, serving

QUICK = {"stub_llm_words": 2, "stub_llm_wps": 0, "stub_tts_ms_per_word": 20}
MEMORY = {"memory": {"user_id": "ada", "threshold": 0.3}}


async def until(look: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(30):
        while not (found := await look()):
            await asyncio.sleep(0.1)
    return found


async def said(served: Served, *texts: str, **session: Any) -> str:
    """Hold a conversation; return the id of its session."""
    async with served.connect() as talking:
        session_id = (await talking.until("session.created"))["session"]["id"]
        if session:
            await talking.configure(**session)
        for text in texts:
            await talking.say_text(text)
            await talking.send("response.create")
            assert (await talking.until("response.done"))["response"]["status"] == "completed"
    return session_id


async def test_a_conversation_is_counted_and_remembered(tmp_path: Path) -> None:
    async with serving(tmp_path, **QUICK) as served, httpx.AsyncClient(base_url=served.url, timeout=20) as client:

        async def counts() -> Any:
            found = (await client.get("/v1/analytics/counts")).json()["data"]
            return found if found["sessions_closed_total"] == 2 else None

        async def memories() -> Any:
            body = {"user_id": "ada", "query": "green tea", "threshold": 0.1}
            return (await client.post("/v1/memory/search", json=body)).json()["data"]

        await said(served, "good morning")
        session_id = await said(served, "I like green tea", "the train was late", antiphon=MEMORY)
        found = await until(counts)
        assert (found["sessions_created_total"], found["chats_total"]) == (2, 3)
        assert found["tokens_total"] > 0
        latencies = (await client.get("/v1/analytics/latencies")).json()
        by_name = {one["metric"]: one for one in latencies["data"]}
        assert by_name["chat_ttft_ms"]["count"] == 3
        assert by_name["tts_first_audio_ms"]["p50"] >= 0
        remembered = await until(memories)
        assert remembered[0]["memory"] == "I like green tea"
        assert remembered[0]["metadata"]["session_id"] == session_id


async def test_without_the_option_nothing_is_remembered(tmp_path: Path) -> None:
    async with serving(tmp_path, **QUICK) as served, httpx.AsyncClient(base_url=served.url, timeout=20) as client:
        await said(served, "I like green tea")

        async def closed() -> Any:
            return (await client.get("/v1/analytics/counts")).json()["data"]["sessions_closed_total"]

        await until(closed)
        body = {"user_id": "ada", "query": "green tea", "threshold": 0}
        assert (await client.post("/v1/memory/search", json=body)).json()["data"] == []
