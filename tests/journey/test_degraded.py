"""What each dependency's failure does to a conversation: every dependency, failing in every way.

Whoever talks hears of it in events of their own, never in an ``error``; nothing hangs, and as soon as the dependency
works again the conversation is whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import websockets
from sqlalchemy import event
from sqlalchemy.pool import Pool

from tests.fakes.openai_server import OpenAiServer
from tests.fakes.openai_stt_server import OpenAiSttServer
from tests.fakes.openai_tts_server import OpenAiTtsServer
from tests.faults import FAULTS, Fault, FaultProxy, faulty
from tests.postgres import Postgres, migrated, postgres
from tests.serving import Client, Served, recording, serving, silence
from tests.valkey import valkey

QUESTION = recording("spk1_snt4.wav") + silence(1)
DEADLINE_S = BACK_S = 60.0
"""Bounds a hang: usually a turn ends within 10 s, whatever has failed, and is whole 5 s after the repair."""
QUICK: dict[str, Any] = {
    "provider_timeout_s": 0.5,
    "breaker_open_s": 0.5,
    "redis_timeout_s": 1.0,
    "stub_llm_words": 5,
    "stub_llm_wps": 100,
    "stub_tts_ms_per_word": 20,
}


class Talk:
    """A conversation whose client wants to be told."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._begin = 0

    async def begin(self) -> None:
        await self.client.until("session.created")
        audio = {"input": {"transcription": {"model": "whisper-1"}}}
        await self.client.configure(include=["antiphon.degraded"], audio=audio)

    async def ask(self, text: str = "what time is it") -> tuple[str, str, int]:
        """Ask in writing; returns the answer's status, its words and the bytes of its speech."""
        await self.client.say_text(text)
        await self.client.send("response.create")
        return await self._answer()

    async def ask_aloud(self) -> str:
        """Ask by voice; returns how understanding it went: ``completed`` or ``failed``."""
        self._begin = len(self.client.events)
        await self.client.append(QUESTION)
        kind = "conversation.item.input_audio_transcription"
        async with asyncio.timeout(DEADLINE_S):
            while not (found := {f"{kind}.completed", f"{kind}.failed"} & set(self.fresh())):
                await self.client.receive()
        if found == {f"{kind}.completed"}:
            await self._answer()
        return found.pop().rpartition(".")[2]

    async def _answer(self) -> tuple[str, str, int]:
        begin, heard = len(self.client.events), len(self.client.audio())
        async with asyncio.timeout(DEADLINE_S):
            response = (await self.client.until("response.done"))["response"]
        assert all(event["type"] != "error" for event in self.client.events[begin:])
        words = " ".join(part["transcript"] for item in response["output"] for part in item["content"])
        return response["status"], words, len(self.client.audio()) - heard

    def fresh(self) -> list[str]:
        return [event["type"] for event in self.client.events[self._begin :]]

    async def told(self, kind: str, leg: str, mode: str) -> None:
        """The client was told, or will be in a moment."""
        wanted = (f"antiphon.{kind}", leg, mode)
        async with asyncio.timeout(BACK_S):
            while wanted not in [(one["type"], one.get("leg"), one.get("mode")) for one in self.client.events]:
                await self.client.receive()

    async def back(self, is_whole: Callable[[], Awaitable[bool]]) -> None:
        """Within `BACK_S` of the repair a turn is whole."""
        until = time.monotonic() + BACK_S
        while not await is_whole():
            assert time.monotonic() < until, "it does not come back"


@contextlib.asynccontextmanager
async def talking(served: Served) -> AsyncIterator[Talk]:
    await admitted(served)
    async with served.connect() as client:
        talk = Talk(client)
        await talk.begin()
        yield talk
        assert "error" not in client.types()


async def admitted(served: Served) -> None:
    """Return once sessions are let in: on a busy machine Redis may seem away for a moment, at these short timeouts."""
    async with asyncio.timeout(BACK_S):
        while not all(served.process.services.shared.checks().values()):
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def service(leg: str) -> AsyncIterator[FaultProxy]:
    """Run the service of one leg behind a proxy."""
    async with contextlib.AsyncExitStack() as stack:
        match leg:
            case "llm":
                url = (await stack.enter_async_context(OpenAiServer())).base_url
            case "stt":
                url = (await stack.enter_async_context(OpenAiSttServer().running())).base_url
            case _:
                url = (await stack.enter_async_context(OpenAiTtsServer().running())).base_url
        place = urlsplit(url)
        assert place.hostname
        assert place.port
        yield await stack.enter_async_context(faulty(place.hostname, place.port))


@contextlib.asynccontextmanager
async def on_one_service(tmp_path: Path, leg: str) -> AsyncIterator[tuple[Talk, FaultProxy]]:
    """A conversation of which one leg is a service and the others are here."""
    async with service(leg) as proxy:
        settings = {leg: "openai", "openai_base_url": f"http://{proxy.address}/v1", "openai_api_key": "sk-any"}
        async with serving(tmp_path, **QUICK, **settings) as served, talking(served) as talk:
            yield talk, proxy


@pytest.mark.parametrize("fault", FAULTS)
async def test_without_a_model_the_answer_is_an_apology(tmp_path: Path, fault: Fault) -> None:
    async with on_one_service(tmp_path, "llm") as (talk, proxy):
        status, words, heard = await talk.ask()
        assert (status, words) == ("completed", "Hello. I am scripted.")
        assert heard
        await proxy.set(fault)
        status, words, heard = await talk.ask()
        assert (status, words) == ("completed", "I'm sorry, I cannot answer right now. I understood: what time is it")
        assert heard
        await talk.told("degraded", "llm", "apology")
        await proxy.set("none")

        async def is_answered() -> bool:
            return (await talk.ask())[1] == "Hello. I am scripted."

        await talk.back(is_answered)
        await talk.told("recovered", "llm", "apology")


@pytest.mark.parametrize("fault", FAULTS)
async def test_without_a_voice_the_answer_is_words(tmp_path: Path, fault: Fault) -> None:
    async with on_one_service(tmp_path, "tts") as (talk, proxy):
        status, words, heard = await talk.ask()
        assert (status, len(words.split())) == ("completed", 5)
        assert heard
        await proxy.set(fault)
        status, words, heard = await talk.ask()
        assert (status, len(words.split()), heard) == ("completed", 5, 0)
        await talk.told("degraded", "tts", "text_only")
        await proxy.set("none")

        async def is_heard() -> bool:
            return (await talk.ask())[2] > 0

        await talk.back(is_heard)
        await talk.told("recovered", "tts", "text_only")


async def test_with_another_voice_the_client_is_told_of_it(tmp_path: Path) -> None:
    async with service("tts") as proxy:
        settings = {"tts": "openai,stub", "openai_base_url": f"http://{proxy.address}/v1", "openai_api_key": "sk-any"}
        async with serving(tmp_path, **QUICK, **settings) as served, talking(served) as talk:
            assert (await talk.ask())[2]
            await proxy.set("down")
            assert (await talk.ask())[2]
            await talk.told("degraded", "tts", "other_voice")
            assert served.process.services.metrics.registry.get_sample_value("tts_degraded_total") == 1


async def test_a_voice_that_is_missing_from_the_start_is_told_of_too(tmp_path: Path) -> None:
    async with serving(tmp_path, **QUICK, tts="openai,stub") as served, talking(served) as talk:  # there is no key
        assert served.process.services.metrics.registry.get_sample_value("tts_degraded_total") == 1
        assert (await talk.ask())[2]
        await talk.told("degraded", "tts", "other_voice")


@pytest.mark.parametrize("fault", FAULTS)
async def test_without_ears_what_is_written_is_answered(tmp_path: Path, fault: Fault) -> None:
    async with on_one_service(tmp_path, "stt") as (talk, proxy):
        assert await talk.ask_aloud() == "completed"
        await proxy.set(fault)
        assert await talk.ask_aloud() == "failed"
        await talk.told("degraded", "stt", "text_input_only")
        status, words, heard = await talk.ask()
        assert (status, len(words.split())) == ("completed", 5)
        assert heard
        await proxy.set("none")

        async def is_understood() -> bool:
            return await talk.ask_aloud() == "completed"

        await talk.back(is_understood)
        await talk.told("recovered", "stt", "text_input_only")


@pytest.mark.parametrize("fault", FAULTS)
async def test_without_redis_nobody_is_let_in_and_who_is_in_goes_on(tmp_path: Path, fault: Fault) -> None:
    with valkey() as server:
        async with faulty("127.0.0.1", server.port) as proxy:
            settings = {**QUICK, "redis_url": f"redis://{proxy.address}/0"}
            async with serving(tmp_path, **settings) as served, talking(served) as talk:
                assert (await talk.ask())[0] == "completed"
                await proxy.set(fault)
                await talk.told("degraded", "redis", "no_new_sessions")
                with pytest.raises(websockets.InvalidStatus) as refused:
                    async with served.connect():
                        pass
                assert refused.value.response.status_code == 503
                status, words, heard = await talk.ask()
                assert (status, heard) == ("completed", 0)
                assert "I understood: what time is it" in words
                await proxy.set("none")

                async def is_whole() -> bool:
                    return (await talk.ask())[2] > 0

                await talk.back(is_whole)
                await talk.told("recovered", "redis", "no_new_sessions")


@pytest.fixture(scope="module")
def own_server() -> Iterator[Postgres]:
    """A PostgreSQL that other tests do not use."""
    with postgres() as server:
        yield server


async def history(served: Served, session_id: str) -> httpx.Response:
    """Ask for what was said."""
    async with httpx.AsyncClient(timeout=DEADLINE_S) as http:
        return await http.get(f"{served.url}/v1/sessions/{session_id}/items?order=asc")


@pytest.mark.parametrize("fault", FAULTS)
async def test_without_postgresql_rows_wait_and_only_the_history_is_refused(
    tmp_path: Path, own_server: Postgres, fault: Fault
) -> None:
    database = await migrated(own_server.url())
    async with faulty("127.0.0.1", own_server.port) as proxy:
        url = database.url("antiphon_app").replace(f":{own_server.port}/", f":{proxy.port}/")
        settings = {**QUICK, "database_url": url, "database_timeout_s": 1}
        async with serving(tmp_path, **settings) as served, talking(served) as talk:
            assert (await talk.ask())[0] == "completed"
            session_id = talk.client.events[0]["session"]["id"]
            await proxy.set(fault)
            status, words, heard = await talk.ask()
            assert (status, len(words.split())) == ("completed", 5)
            assert heard
            await talk.told("degraded", "database", "buffered")
            refused = await history(served, session_id)
            assert (refused.status_code, refused.json()["error"]["code"]) in [
                (503, "store_unavailable"),
                (503, "store_busy"),
            ]
            await proxy.set("none")
            await talk.told("recovered", "database", "buffered")
            assert (await talk.ask())[0] == "completed"
            told = [event["item"]["id"] for event in talk.client.events if event["type"] == "conversation.item.done"]
            assert [item["id"] for item in (await history(served, session_id)).json()["data"]] == told


class Disk:
    """Makes SQLite itself fail: whatever connection the server takes out of its pool is prepared accordingly."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.fault = "none"
        self._lock: sqlite3.Connection | None = None

    def prepare(self, connection: Any, _record: object, _proxy: object) -> None:
        """Prepare a connection; SQLAlchemy calls this at every checkout."""
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA query_only = {int(self.fault == 'read-only')}")
        cursor.execute(f"PRAGMA max_page_count = {1 if self.fault == 'full' else 2**30}")  # 1: as many as there are
        cursor.close()

    def set(self, fault: str) -> None:
        """Fail like this from now on."""
        self.fault = fault
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        if fault == "locked":
            self._lock = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False)
            self._lock.execute("BEGIN IMMEDIATE")

    def texts(self) -> list[str]:
        """Return what was written down of what the user said."""
        with contextlib.closing(sqlite3.connect(self._file)) as reader:
            rows = reader.execute("SELECT content FROM conversation_items ORDER BY position").fetchall()
        items = [json.loads(content) for (content,) in rows]
        return [part["text"] for item in items for part in item["content"] if "text" in part]


@pytest.mark.parametrize("fault", ["locked", "read-only", "full"])
async def test_without_a_database_rows_wait_and_nothing_else_stops(tmp_path: Path, fault: str) -> None:
    disk = Disk(tmp_path / "antiphon.db")
    event.listen(Pool, "checkout", disk.prepare)
    try:
        async with serving(tmp_path, **QUICK) as served, talking(served) as talk:
            said = [f"{number} {'x' * 9000}" for number in range(4)]
            assert (await talk.ask(said[0]))[0] == "completed"
            await asyncio.to_thread(disk.set, fault)  # a transaction of the server may have to end first
            for text in said[1:3]:
                status, words, heard = await talk.ask(text)
                assert (status, len(words.split())) == ("completed", 5)
                assert heard
            await talk.told("degraded", "database", "buffered")
            assert said[2] not in disk.texts()
            disk.set("none")
            await talk.told("recovered", "database", "buffered")
            assert (await talk.ask(said[3]))[0] == "completed"
            async with asyncio.timeout(BACK_S):
                while disk.texts() != said:
                    await asyncio.sleep(0.1)
    finally:
        disk.set("none")
        event.remove(Pool, "checkout", disk.prepare)
