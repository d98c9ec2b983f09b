from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import sqlite3
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
import structlog

from antiphon.entities.history import StoredItem, Unit
from antiphon.errors import ProviderBusy, ProviderUnavailable
from antiphon.store.sqlite import SqliteStore

WRITER = """
import asyncio, sys
from pathlib import Path
from antiphon.ports.store import StoredItem, Unit
from antiphon.store.sqlite import SqliteStore

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    await store.start()
    number = 0
    while True:
        batch = range(number, number + 7)
        await store.record([Unit(tuple(StoredItem("t", "s", f"i{n}", n, 1, b'{"n": 1}', 1.0) for n in batch))])
        number = batch.stop
        print(number, flush=True)  # the acknowledgement

asyncio.run(main())
"""


@pytest.mark.parametrize("batches", [1, 40])
async def test_killing_the_process_loses_nothing_that_was_acknowledged(tmp_path: Path, batches: int) -> None:
    path = tmp_path / "history.db"
    child = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    acknowledged = [child.stdout.readline() for _ in range(batches)]
    os.kill(child.pid, signal.SIGKILL)
    acknowledged += child.stdout.readlines()
    child.wait()
    child.stdout.close()
    rows = int(acknowledged[-1])
    assert rows >= 7 * batches
    with sqlite3.connect(path) as check:
        assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    check.close()
    store = SqliteStore(path)
    await store.start()
    found = [item.position for item in await store.items("t", "s", limit=10**6, oldest_first=True)]
    await store.close()
    assert found[:rows] == list(range(rows))
    assert len(found) % 7 == 0, "half a batch was written"


async def test_the_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "history.db"
    store = SqliteStore(path)
    await store.start()
    await store.record([Unit((StoredItem("t", "s", "i", 1, 1, b"{}", 1.0),))])
    assert {file.name: oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir()} == {
        "history.db": "0o600",
        "history.db-wal": "0o600",
        "history.db-shm": "0o600",
    }
    await store.close()


async def test_stores_that_open_a_new_file_at_once_all_open_it(tmp_path: Path) -> None:
    for attempt in range(10):
        stores = [SqliteStore(tmp_path / f"{attempt}.db") for _ in range(6)]
        await asyncio.gather(*(store.start() for store in stores))
        assert [await store.items("t", "s") for store in stores] == [[]] * 6
        await asyncio.gather(*(store.close() for store in stores))


FORMER_UPSERT = """
INSERT INTO conversation_items (tenant_id, session_id, item_id, position, revision, content, created_at, deleted)
VALUES ('default', 'sess_ended', ?, ?, ?, ?, 1763800009.0, ?) ON CONFLICT (tenant_id, session_id, item_id)
DO UPDATE SET position = excluded.position, revision = excluded.revision, content = excluded.content,
created_at = excluded.created_at, deleted = excluded.deleted WHERE excluded.revision > conversation_items.revision
"""
"""How the former release writes an item."""


@pytest.fixture
def former_file(tmp_path: Path) -> Path:
    """A file as the release before migrations wrote it."""
    path = tmp_path / "history.db"
    with sqlite3.connect(path) as former:
        former.executescript(Path(__file__).with_name("former_release.sql").read_text("utf-8"))
    former.close()
    return path


async def test_a_file_of_the_former_release_is_taken_over_with_all_its_rows(former_file: Path) -> None:
    store = SqliteStore(former_file)
    await store.start()
    await store.check()
    assert [item.content.decode() for item in await store.items("default", "sess_ended", oldest_first=True)] == [
        '{"id":"item_1","type":"message","role":"user","content":[{"type":"input_text","text":"Grüße \\u0000"}]}',
        '{"id":"item_2","type":"message","role":"assistant","content":[{"type":"output_audio","transcript":"Hello."}]}',
    ]
    await store.close()
    with sqlite3.connect(former_file) as check:
        columns = "session_id, kind, status, model, created_at, closed_at"
        assert check.execute(f"SELECT {columns} FROM sessions ORDER BY session_id").fetchall() == [
            ("sess_ended", "realtime", "disconnected", "gpt-realtime", 1763800000.5, 1763800060.25),
            ("sess_open", "realtime", "expired", "gpt-realtime", 1763800100.0, None),
        ]
    check.close()


async def test_the_former_release_still_opens_and_writes_a_file_that_was_migrated(former_file: Path) -> None:
    store = SqliteStore(former_file)
    await store.start()
    with sqlite3.connect(former_file) as former:
        assert former.execute("PRAGMA user_version").fetchone() == (1,), "it refuses a higher one"
        former.execute(FORMER_UPSERT, ("item_2", 2, 4, '{"id":"item_2"}', False))
        former.execute(FORMER_UPSERT, ("item_4", 4, 1, '{"id":"item_4"}', False))
        former.execute(FORMER_UPSERT, ("item_1", 1, 2, "", True))
    former.close()
    found = {item.item_id: item.content for item in await store.items("default", "sess_ended")}
    assert found == {"item_2": b'{"id":"item_2"}', "item_4": b'{"id":"item_4"}'}
    await store.close()


async def test_a_file_of_a_newer_release_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    store = SqliteStore(path)
    with pytest.raises(ProviderUnavailable, match="newer release"):
        await store.start()
    await store.close()


async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProviderUnavailable, match=r"history\.db"):
        await SqliteStore(tmp_path / "file" / "history.db").start()


async def test_a_file_that_is_no_database_is_an_error_and_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    path.write_text("my precious notes" * 100)
    store = SqliteStore(path)
    with pytest.raises(ProviderUnavailable):
        await store.start()
    await store.close()
    assert path.read_text() == "my precious notes" * 100


async def test_a_caller_that_leaves_in_the_middle_leaves_nothing_behind(tmp_path: Path) -> None:
    chance = random.Random(4)
    store = SqliteStore(tmp_path / "history.db")
    await store.start()
    others = asyncio.all_tasks()
    rows = [StoredItem("t", "s", f"i{n}", n, 1, b"{}", 1.0) for n in range(50)]
    for _ in range(100):
        call = asyncio.ensure_future(
            store.record([Unit(tuple(rows))]) if chance.random() < 0.7 else store.items("t", "s")
        )
        await asyncio.sleep(chance.random() * 0.01)
        call.cancel()
        await asyncio.sleep(chance.random() * 0.002)
        call.cancel()
        await asyncio.wait((call,))
    async with asyncio.timeout(20):
        assert len(await store.items("t", "s")) == len(rows), "what was begun was done"
        await store.close()
    left = asyncio.all_tasks() - others
    assert not left


async def test_what_was_said_is_never_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not by asyncio either, when a transaction fails that nobody waits for any more."""
    path = tmp_path / "history.db"
    store = SqliteStore(path)
    await store.start()
    said = StoredItem("t", "s", "i", 1, 1, b'"my card number"', 1.0)
    with sqlite3.connect(path) as other:
        other.execute("BEGIN IMMEDIATE")
        call = asyncio.ensure_future(store.record([Unit((said,))]))
        await asyncio.sleep(0)  # its transaction has begun
        call.cancel()
        with structlog.testing.capture_logs() as logged:
            await asyncio.wait((call,))
            with pytest.raises(ProviderBusy) as busy:
                await store.record([Unit((said,))])
            async with asyncio.timeout(20):
                while not logged:
                    await asyncio.sleep(0.01)
        other.rollback()
    await store.close()
    assert [line["error"] for line in logged] == ["ProviderBusy"]
    gc.collect()
    await asyncio.sleep(0)
    assert "card number" not in caplog.text
    assert "card number" not in "".join(traceback.format_exception(busy.value))
