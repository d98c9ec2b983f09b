"""Message persistence: whatever happens in a conversation is in the database within a second, and can be asked for.

Real processes: Valkey, PostgreSQL, two gateways, two writers and workers. One gateway holds the conversation, the other
one answers for its history.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
import pytest
import websockets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antiphon.entities.history import storable
from tests.fleet import fleet
from tests.postgres import migrated, postgres
from tests.serving import Client

EXAMPLES = 100
WITHIN_S = 1.0
HANG_S = 60.0
SETTINGS = {"stub_llm_words": 3, "stub_llm_wps": 0, "stub_tts_ms_per_word": 20}

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), TEXTS),
        st.tuples(st.just("insert"), TEXTS),
        st.tuples(st.just("delete"), st.integers(0, 9)),
        st.tuples(st.just("call"), TEXTS),
        st.just(("answer", "")),
    ),
    min_size=1,
    max_size=6,
)


@dataclass
class Stage:
    """The fleet, and what the examples took."""

    talks: str
    asks: str
    database: str
    took_s: list[float] = field(default_factory=list[float])


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with postgres() as server:
        database = asyncio.run(migrated(server.url()))
        given_settings = {**SETTINGS, "database_url": database.url("antiphon_app")}
        with fleet(**given_settings) as made:
            members = [made.gateway(), made.gateway()]
            for roles in (("persist",), ("persist",), ("respond", "speak")):
                made.worker(*roles)
            yield Stage(members[0].ws, members[1].url, database.url("postgres"))


async def do(client: Client, step: tuple[str, Any], order: list[str]) -> None:
    """Do one step; ``order`` are the ids of the items that the client knows, and is kept so."""
    kind, what = step
    if kind == "answer":
        await client.send("response.create")
        await client.until("response.done")
    elif kind == "delete":
        if order:
            await client.send("conversation.item.delete", item_id=order[what % len(order)])
            order.remove((await client.until("conversation.item.deleted"))["item_id"])
        return
    elif kind == "call":
        call = {"type": "function_call", "call_id": f"call_{len(client.events)}", "name": "find", "arguments": what}
        await client.send("conversation.item.create", item=call)
        await client.until("conversation.item.done")
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": what}
        await client.send("conversation.item.create", item=output)
        await client.until("conversation.item.done")
    else:
        place = {"previous_item_id": "root"} if kind == "insert" else {}
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": what}]}
        await client.send("conversation.item.create", item=item, **place)
        await client.until("conversation.item.done")
    for event in client.events:
        if event["type"] == "conversation.item.done" and event["item"]["id"] not in {*order, *gone(client)}:
            before = event["previous_item_id"]
            order.insert(0 if before is None else order.index(before) + 1, event["item"]["id"])


def gone(client: Client) -> set[str]:
    """Return the ids of deleted items."""
    return {event["item_id"] for event in client.events if event["type"] == "conversation.item.deleted"}


def shown(client: Client) -> dict[str, dict[str, Any]]:
    """Return the items as the client was shown them, by id."""
    return {event["item"]["id"]: event["item"] for event in client.events if event["type"] == "conversation.item.done"}


Stored = tuple[list[tuple[str, dict[str, Any]]], set[str]]
"""Items in order, and the ids of deleted ones."""


async def stored(connection: asyncpg.Connection[Any], session_id: str) -> Stored:
    """Return the items of a session in the database."""
    query = "SELECT item_id, content, deleted FROM conversation_items WHERE session_id = $1 ORDER BY position"
    rows = await connection.fetch(query, session_id)
    there = [(row["item_id"], json.loads(row["content"])) for row in rows if not row["deleted"]]
    return there, {row["item_id"] for row in rows if row["deleted"]}


async def example(stage: Stage, steps: list[tuple[str, Any]]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        connection = await asyncpg.connect(stage.database)
        stack.push_async_callback(connection.close)
        await talk(stage, steps, connection)


async def talk(stage: Stage, steps: list[tuple[str, Any]], connection: asyncpg.Connection[Any]) -> None:
    """Do the steps at one gateway, and find their items in the database and through the other gateway."""
    order: list[str] = []
    async with (
        websockets.connect(f"{stage.talks}/v1/realtime?model=m", max_size=None) as socket,
        httpx.AsyncClient(base_url=stage.asks, timeout=HANG_S) as http,
    ):
        client = Client(socket)
        session_id = (await client.until("session.created"))["session"]["id"]
        await client.configure(output_modalities=["text"])
        for step in steps:
            await do(client, step, order)
        begin = time.monotonic()
        items = shown(client)
        expected = [(item_id, items[item_id]) for item_id in order], gone(client)
        async with asyncio.timeout(HANG_S):
            while (found := await stored(connection, session_id)) != expected:
                await asyncio.sleep(0.01)
        stage.took_s.append(time.monotonic() - begin)
        assert found == expected
        for query, wanted in (("order=asc", order), ("", order[::-1])):
            page = (await http.get(f"/v1/sessions/{session_id}/items?{query}")).json()
            assert [item["id"] for item in page["data"]] == wanted
            assert all(item.items() >= items[item["id"]].items() for item in page["data"])
        calls = [item for item in items.values() if item["type"] == "function_call"]
        rows = await connection.fetch(
            "SELECT item_id, name, arguments FROM function_calls WHERE session_id = $1", session_id
        )
        assert {tuple(row) for row in rows} == {
            (call["id"], call["name"], storable(call["arguments"])) if call["id"] in order else (call["id"], "", "")
            for call in calls
        }


def test_every_item_is_in_the_database_within_a_second_and_can_be_asked_for(stage: Stage) -> None:
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(STEPS)
    def check(steps: list[tuple[str, Any]]) -> None:
        asyncio.run(example(stage, steps))

    check()
    assert len(stage.took_s) >= EXAMPLES
    took = sorted(stage.took_s)
    assert took[len(took) // 2] < WITHIN_S, f"most take longer: {took}"
