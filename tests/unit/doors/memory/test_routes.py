"""The long-term memory over REST: answers, and refusals by field."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from antiphon.clock import SystemClock
from antiphon.doors.access.authentication import Access
from antiphon.doors.access.client_secrets import EphemeralSecrets
from antiphon.doors.http.app import build_http
from antiphon.doors.http.route import bound
from antiphon.doors.memory.routes import ROUTES, MemoryServices
from antiphon.jobs.client import JobClient
from antiphon.observe.metrics import Metrics
from antiphon.providers.stub.embedding import StubEmbedding
from antiphon.store.memories import SqlMemories
from antiphon.store.sqlite import SqliteStore
from antiphon.workers import loop
from antiphon.workers.remember import Rememberer
from tests.options import embedded_bus, worker_options
from tests.unit.doors.asgi_call import Answered, ask

KEY = "sk-memories-of-these-tests"
CLOCK = SystemClock()


class Served:
    """The routes over a database and a worker, without a server."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def ask(self, method: str, path: str, body: Any = None, query: str = "") -> Answered:
        headers = [("authorization", f"Bearer {KEY}"), ("content-type", "application/json")]
        chunks = () if body is None else (json.dumps(body).encode(),)
        return await ask(self._app, method, f"/v1/memory{path}", *chunks, query=query, headers=headers)

    async def told(self, method: str, path: str, body: Any = None, query: str = "") -> Any:
        answer = await self.ask(method, path, body, query)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    async def refused(self, method: str, path: str, body: Any = None, query: str = "") -> str:
        """Return the field that a refusal names."""
        answer = await self.ask(method, path, body, query)
        assert answer.status == 400, answer.body
        return json.loads(answer.body)["error"]["param"]


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    store, bus = SqliteStore(tmp_path / "antiphon.db"), embedded_bus(strict=True)
    await store.start()
    memories = SqlMemories(store, CLOCK)
    rememberer = Rememberer(StubEmbedding(), memories, CLOCK)
    workers = [
        asyncio.create_task(loop.run(bus, queue, handle, "w", worker_options()))
        for queue, handle in (("recall", rememberer.recall), ("memorize", rememberer.memorize))
    ]
    services = MemoryServices(JobClient(bus, CLOCK), memories)
    access = Access([KEY], EphemeralSecrets(b"k" * 32), CLOCK)
    yield Served(build_http(bound(ROUTES, services), access, Metrics()))
    await bus.close()
    await asyncio.wait(workers, timeout=10)
    await store.close()


async def test_what_was_stored_is_found_by_its_user_and_erased(served: Served) -> None:
    body = {"user_id": "u", "content": "I like green tea", "tags": ["drinks"], "session_id": "sess_1"}
    stored = await served.told("POST", "", body)
    assert stored["object"] == "memory"
    (found,) = (await served.told("POST", "/search", {"user_id": "u", "query": "green tea", "threshold": 0.5}))["data"]
    assert (found["id"], found["memory"]) == (stored["id"], "I like green tea")
    assert 0.5 < found["score"] <= 1
    metadata = found["metadata"]
    assert (metadata["category"], metadata["source"], metadata["tags"]) == ("preference", "api", ["drinks"])
    assert (metadata["session_id"], metadata["confidence"]) == ("sess_1", 0.8)
    assert (await served.told("POST", "/search", {"user_id": "v", "query": "green tea", "threshold": 0}))["data"] == []
    profile = await served.told("GET", "/profile", query="user_id=u")
    assert (profile["preferences"], profile["memory_count"]) == (["I like green tea"], 1)
    assert await served.told("DELETE", "", query="user_id=u") == {"user_id": "u", "erased": 1}
    assert (await served.told("GET", "/profile", query="user_id=u"))["memory_count"] == 0


async def test_memories_are_retrieved_for_a_session_or_for_the_user_that_is_named(served: Served) -> None:
    for user in ("sess_1", "u"):
        await served.told("POST", "", {"user_id": user, "content": f"{user} likes green tea"})
    body = {"sessionId": "sess_1", "query": "who likes green tea"}
    assert [one["content"] for one in (await served.told("POST", "/retrieve", body))["results"]] == [
        "sess_1 likes green tea"
    ]
    (found,) = (await served.told("POST", "/retrieve", {**body, "meta": {"user_id": "u", "lang": "en"}}))["results"]
    assert (found["content"], found["score"] > 0.4) == ("u likes green tea", True)


@pytest.mark.parametrize(("path", "body", "param"), [
    ("", {"content": "x"}, "user_id"),
    ("", {"user_id": "", "content": "x"}, "user_id"),
    ("", {"user_id": "u" * 257, "content": "x"}, "user_id"),
    ("", {"user_id": "u", "content": " \n"}, "content"),
    ("", {"user_id": "u", "content": "x" * 20_000}, "content"),
    ("", {"user_id": "u", "content": "x", "category": "secret"}, "category"),
    ("", {"user_id": "u", "content": "x", "confidence": 2}, "confidence"),
    ("", {"user_id": "u", "content": "x", "tags": ["t" * 65]}, "tags[0]"),
    ("/search", {"user_id": "u"}, "query"),
    ("/search", {"user_id": "u", "query": "x", "limit": 0}, "limit"),
    ("/search", {"user_id": "u", "query": "x", "threshold": -0.1}, "threshold"),
    ("/retrieve", {"query": "x"}, "sessionId"),
    ("/retrieve", {"sessionId": "s", "query": "x", "meta": {"user_id": 7}}, "meta.user_id"),
    ("/retrieve", {"sessionId": "s", "query": "x", "meta": []}, "meta"),
])  # fmt: skip
async def test_a_wrong_field_is_named(served: Served, path: str, body: dict[str, Any], param: str) -> None:
    assert await served.refused("POST", path, body) == param


async def test_a_user_must_be_named(served: Served) -> None:
    for method, path in (("GET", "/profile"), ("DELETE", "")):
        assert await served.refused(method, path) == "user_id"
