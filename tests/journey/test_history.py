"""What was said is listed while a session is connected, after it was ended, and after its server has started again."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from antiphon.wire.realtime_server import TAKEN_OVER
from tests.serving import Client, Served, serving

QUICK = {"stub_llm_words": 2, "stub_llm_wps": 0, "stub_tts_ms_per_word": 20}
REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "openapi.json"
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@asynccontextmanager
async def rest(served: Served) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=served.url, timeout=20, verify=_NO_CERTIFICATES) as client:
        yield client


async def told(client: httpx.AsyncClient, path: str, method: str = "GET") -> Any:
    answer = await client.request(method, path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def listed(client: httpx.AsyncClient, session_id: str) -> list[dict[str, Any]]:
    """Return the items of a session, oldest first, without the time when they were recorded."""
    page = await told(client, f"/v1/sessions/{session_id}/items?order=asc")
    assert not page["has_more"]
    return [{name: value for name, value in item.items() if name != "created_at"} for item in page["data"]]


async def turn(client: Client, text: str) -> None:
    await client.say_text(text)
    await client.send("response.create")
    assert (await client.until("response.done"))["response"]["status"] == "completed"


async def test_a_conversation_is_listed_live_after_its_end_and_after_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path, **QUICK) as served, rest(served) as client:
        async with served.connect() as talking:
            session_id = (await talking.until("session.created"))["session"]["id"]
            for text in ("How are you?", "What time is it?"):
                await turn(talking, text)
            done = [event["item"] for event in talking.events if event["type"] == "conversation.item.done"]
            items = await listed(client, session_id)
            assert [item["id"] for item in items] == [item["id"] for item in done]
            assert [item["role"] for item in items] == ["user", "assistant"] * 2
            assert [items[at]["content"] for at in (0, 2)] == [done[at]["content"] for at in (0, 2)]
            assert [one.pop("interrupted") for one in items] == [False] * 4
            assert items == done
            async with asyncio.timeout(20):
                while not (entries := (await told(client, "/v1/sessions"))["data"]):
                    await asyncio.sleep(0.01)
            (entry,) = entries
            assert (entry["id"], entry["status"], entry["kind"]) == (session_id, "connected", "realtime")
            ended = await told(client, f"/v1/realtime/sessions/{session_id}", "DELETE")
            assert (ended["id"], ended["status"]) == (session_id, "disconnected")
            assert ended["session"]["id"] == session_id
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await talking.receive()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == TAKEN_OVER
        async with asyncio.timeout(20):
            while (found := await told(client, f"/v1/sessions/{session_id}"))["closed_at"] != ended["closed_at"]:
                await asyncio.sleep(0.01)
        after = await listed(client, session_id)
        assert [{**item, "interrupted": False} for item in items] == after
    async with serving(tmp_path, **QUICK) as served, rest(served) as client:
        assert await listed(client, session_id) == after
        assert await told(client, f"/v1/sessions/{session_id}") == found


async def test_the_reference_describes_the_routes_of_a_running_server(tmp_path: Path) -> None:
    reference = json.loads(REFERENCE.read_text("utf-8"))
    async with serving(tmp_path) as served, rest(served) as client:
        document = await told(client, "/openapi.json")
    assert document["paths"].keys() == reference["paths"].keys()
