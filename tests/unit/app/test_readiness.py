"""What a process says of its engines and its database, by those themselves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from antiphon.app.process import Process, process
from antiphon.app.readiness import DatabaseCheck
from antiphon.app.settings import load_settings
from antiphon.ports.breakers import Endpoint
from antiphon.store.sqlite import SqliteStore
from tests.serving import STUBS
from tests.unit.app.stage import get

LEFT_OUT = {"tts": ("piper", "stub"), "llm": ("openai", "stub"), "vad": ("stub", "energy")}
"""Piper has no voice and OpenAI no key here; of voice detectors only the first that starts is needed."""


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Process]:
    async with process(load_settings(**{**STUBS, **LEFT_OUT}, data_dir=tmp_path, drain_s=0.2)) as made:
        yield made


async def told(made: Process, path: str = "/ready") -> tuple[int, dict[str, Any]]:
    status, body = await get(made.app, path)
    return status, json.loads(body)


async def test_each_engine_says_whether_it_is_asked(running: Process) -> None:
    status, ready = await told(running)
    assert (status, ready["status"]) == (200, "ready")
    assert ready["checks"] == {"engines": True, "database": True}
    assert ready["engines"] == {
        "stt": {"stub": "ok"},
        "llm": {"openai": "left_out", "stub": "ok"},
        "tts": {"piper": "left_out", "stub": "ok"},
        "translation": {"stub": "ok"},
        "vad": {"stub": "ok", "energy": "reserve"},
        "end_of_turn": {"stub": "ok"},
        "embedding": {"stub": "ok"},
    }
    _, health = await told(running, "/health")
    assert (health["status"], health["tts_provider"], health["llm_provider"]) == ("ok", "stub", "stub")


async def test_where_no_engine_of_a_kind_is_asked_any_more_the_process_is_not_ready(running: Process) -> None:
    for _ in range(running.services.settings.breaker_failures):
        ticket = await running.services.shared.breakers.admit(Endpoint("llm:stub"))
        await running.services.shared.breakers.report(ticket, ok=False)
    status, ready = await told(running)
    assert (status, ready["status"], ready["checks"]) == (503, "not_ready", {"engines": False, "database": True})
    assert ready["engines"]["llm"] == {"openai": "left_out", "stub": "circuit_open"}
    status, health = await told(running, "/health")
    assert (status, health["status"], health["llm_provider"]) == (200, "degraded", None)


@pytest.mark.parametrize("away", ["closed", "removed"])
async def test_a_database_that_cannot_be_read_is_told(running: Process, away: str) -> None:
    if away == "closed":
        await running.services.rows.store.close()
    else:
        (running.services.settings.data_dir / "antiphon.db").unlink()
    status, ready = await told(running)
    assert (status, ready["status"], ready["checks"]["database"]) == (503, "not_ready", False)
    status, health = await told(running, "/health")
    assert (status, health["status"]) == (200, "degraded")


class HangingStore(SqliteStore):
    """A database that does not answer."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.looks = 0

    async def check(self) -> None:
        self.looks += 1
        await asyncio.Event().wait()


async def test_many_who_ask_share_one_look_and_none_waits_long(tmp_path: Path) -> None:
    store = HangingStore(tmp_path / "history.db")
    check = DatabaseCheck(store)
    async with asyncio.timeout(10):
        assert await asyncio.gather(*(check.works() for _ in range(50))) == [False] * 50
    assert store.looks == 1


async def test_a_disk_that_fails_is_a_database_that_does_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Path) -> bool:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "is_file", fails)
    assert not await DatabaseCheck(SqliteStore(tmp_path / "history.db")).works()
