"""The process dies in mid-answer: every item that was completed is in the store, and nothing is corrupt."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import sys
from pathlib import Path

import websockets

from tests.serving import STUBS, Client, serving

ENGINES = {f"ANTIPHON_{name.upper()}": str(value) for name, value in STUBS.items()}


async def start(data_dir: Path) -> tuple[asyncio.subprocess.Process, str]:
    """A real server in a process of its own."""
    environment = {**os.environ, **ENGINES, "ANTIPHON_DATA_DIR": str(data_dir), "ANTIPHON_STUB_LLM_WPS": "20"}
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "antiphon", "serve", "--port", "0",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, env=environment,
    )  # fmt: skip
    assert server.stdout is not None
    async with asyncio.timeout(60):
        line = (await server.stdout.readline()).decode()
    assert line.startswith("antiphon ready http://127.0.0.1:"), line
    return server, line.split()[-1]


async def written(path: Path, item_ids: list[str]) -> None:
    """Return when the store has these items: it is written behind the conversation."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.closing(sqlite3.connect(path)) as database:
                found = {row[0] for row in database.execute("SELECT item_id FROM conversation_items")}
            if found >= set(item_ids):
                return
            await asyncio.sleep(0.02)


async def test_a_kill_in_mid_answer_loses_no_completed_item(tmp_path: Path) -> None:
    server, url = await start(tmp_path)
    address = f"{url.replace('http', 'ws', 1)}/v1/realtime?model=m"
    completed: list[str] = []
    async with websockets.connect(address, max_size=None) as socket:
        client = Client(socket)
        session_id = (await client.until("session.created"))["session"]["id"]
        for turn in range(3):
            completed.append(await client.say_text(f"question {turn}"))
            if turn == 2:
                await written(tmp_path / "antiphon.db", completed)
            await client.send("response.create")
            if turn < 2:
                done = await client.until("response.done")
                completed.append(done["response"]["output"][0]["id"])
        await client.until("response.output_audio.delta")
        os.kill(server.pid, signal.SIGKILL)
        assert await server.wait() == -signal.SIGKILL
    with sqlite3.connect(tmp_path / "antiphon.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    async with serving(tmp_path) as served:
        kept = await served.process.services.rows.store.items("default", session_id, oldest_first=True)
        assert [item.item_id for item in kept] == completed
        texts = [json.loads(item.content)["content"][0] for item in kept]
        assert [part["text"] for part in texts if "text" in part] == [f"question {turn}" for turn in range(3)]
        assert all(len(part["transcript"].split()) == 20 for part in texts if "transcript" in part)
        async with served.connect() as client:
            await client.say_text("still there")
            await client.send("response.create")
            assert (await client.until("response.done"))["response"]["status"] == "completed"


async def test_sigterm_drains_and_ends_cleanly(tmp_path: Path) -> None:
    server, url = await start(tmp_path)
    async with websockets.connect(f"{url.replace('http', 'ws', 1)}/v1/realtime?model=m", max_size=None) as socket:
        client = Client(socket)
        await client.say_text("talk")
        await client.send("response.create")
        await client.until("response.output_audio.delta")
        server.terminate()
        assert (await client.until("response.done"))["response"]["status"] == "completed"
        async with asyncio.timeout(20):
            assert await server.wait() == 0
