"""A fleet over PostgreSQL: what was said is in the database once, whoever is killed meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest
import websockets

from tests.fleet import fleet
from tests.postgres import Database, migrated, postgres
from tests.serving import Client

TURNS = 200
KILLS = 12
QUICK = {"stub_llm_words": 2, "stub_llm_wps": 0, "stub_tts_ms_per_word": 20, "provider_timeout_s": 5}
SYNCED = ("--appendfsync", "always")
"""A Redis that loses nothing it has accepted; with ``everysec`` a kill may cost the last two seconds of a slow disk."""
WRITTEN_S = 60.0
"""Bounds a hang."""


async def stored(database: Database, session_id: str) -> list[str]:
    """Return the items of a session in the database, in order."""
    connection = await asyncpg.connect(database.url("postgres"))
    try:
        query = "SELECT item_id FROM conversation_items WHERE session_id = $1 AND NOT deleted ORDER BY position"
        return [row["item_id"] for row in await connection.fetch(query, session_id)]
    finally:
        await connection.close()


async def until_counted(database: Database, session_id: str) -> None:
    """Return when the session has ended in the database and each of its turns is counted once."""
    connection = await asyncpg.connect(database.url("postgres"))
    query = """
    SELECT (SELECT count(*) FROM sessions WHERE session_id = $1 AND closed_at IS NOT NULL),
           (SELECT count(*) FROM sessions),
           (SELECT sum(amount) FROM usage_records WHERE session_id = $1 AND metric = 'requests')
    """
    found: tuple[int, ...] = ()
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WRITTEN_S):
                while (found := tuple(await connection.fetchrow(query, session_id))) != (1, 1, TURNS):
                    await asyncio.sleep(0.1)
    finally:
        await connection.close()
    assert found == (1, 1, TURNS)


async def until_stored(database: Database, session_id: str, items: list[str]) -> None:
    """Return when these items are in the database, and no others."""
    found: list[str] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(WRITTEN_S):
            while (found := await stored(database, session_id)) != items:
                await asyncio.sleep(0.1)
    assert found == items


def completed(client: Client) -> list[str]:
    """Return the items that the client was told are complete, in order."""
    return [event["item"]["id"] for event in client.events if event["type"] == "conversation.item.done"]


async def turn(client: Client) -> None:
    """Say something and wait for the answer, however it ends."""
    await client.say_text("tell me")
    await client.send("response.create")
    async with asyncio.timeout(60):
        await client.until("response.done")


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_in_200_turns_with_everybody_killed_each_item_is_stored_once() -> None:
    chance = random.Random(3)
    moments = set(chance.sample(range(TURNS), KILLS))
    with postgres() as server:
        database = await migrated(server.url())
        settings = {**QUICK, "database_url": database.url("antiphon_app")}
        with fleet(valkey_options=SYNCED, **settings) as made:
            gateway, _, writer = made.gateway(), made.worker("respond", "speak"), made.worker("persist")

            def kill_writer() -> None:
                nonlocal writer
                writer.kill()
                writer = made.worker("persist")

            def kill_redis() -> None:
                made.valkey.kill()
                made.valkey.start()

            def kill_database() -> None:
                server.kill()
                server.start()

            kinds: list[Callable[[], None]] = [kill_writer, kill_redis, kill_database]
            served = await asyncio.to_thread(lambda: gateway.ws)
            async with asyncio.timeout(280), connected(served) as client:
                await client.configure(output_modalities=["text"])
                for number in range(TURNS):
                    kill = asyncio.create_task(asyncio.to_thread(chance.choice(kinds))) if number in moments else None
                    await turn(client)
                    if kill is not None:
                        await kill
                items = completed(client)
                assert len(items) == len(set(items)) == 2 * TURNS
                session_id = client.events[0]["session"]["id"]
                await until_stored(database, session_id, items)
            await until_counted(database, session_id)


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Client]:
    """Open a session at a gateway."""
    async with websockets.connect(f"{url}/v1/realtime?model=gpt-realtime", max_size=None) as socket:
        client = Client(socket)
        await client.until("session.created")
        yield client
