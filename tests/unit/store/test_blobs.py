"""Blobs in a folder: what only files can show."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from antiphon.clock import VirtualClock
from antiphon.entities.blobs import BlobRef
from antiphon.errors import NotFound, ProviderUnavailable
from antiphon.store.blobs import FileBlobs


async def once(data: bytes = b"sound") -> AsyncGenerator[bytes]:
    yield data


def kept(root: Path, clock: VirtualClock | None = None) -> FileBlobs:
    return FileBlobs(root, tenant_bytes=100, clock=clock)


def files(root: Path) -> list[Path]:
    return [file for file in root.rglob("*") if file.is_file()]


async def test_blobs_are_for_one_user_alone(tmp_path: Path) -> None:
    await kept(tmp_path / "blobs").put("t", once(), ttl_s=9)
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (tmp_path / "blobs", tmp_path / "blobs/t")} == {0o700}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files(tmp_path)} == {0o600}


async def test_expired_files_are_removed_and_others_stay(tmp_path: Path) -> None:
    clock = VirtualClock()
    blobs = kept(tmp_path, clock)
    await blobs.put("t", once(), ttl_s=10)
    later = await blobs.put("u", once(), ttl_s=30)
    clock.advance(20)
    await blobs.clean()
    assert [file.name for file in files(tmp_path)] == [later.key]


async def test_a_file_that_a_dead_process_did_not_finish_is_removed_after_an_hour(tmp_path: Path) -> None:
    clock = VirtualClock()
    (tmp_path / "t").mkdir()
    (part := tmp_path / "t/tmp1.part").write_bytes(b"half")
    os.utime(part, (clock.wall(), clock.wall()))
    clock.advance(3500)
    await kept(tmp_path, clock).clean()
    assert files(tmp_path) == [part]
    clock.advance(200)
    await kept(tmp_path, clock).clean()
    assert files(tmp_path) == []


async def test_running_cleans_again_and_again(tmp_path: Path) -> None:
    clock = VirtualClock()
    blobs = kept(tmp_path, clock)
    running = asyncio.create_task(blobs.run(0.001))
    async with asyncio.timeout(20):
        for _ in range(2):
            await blobs.put("t", once(), ttl_s=10)
            clock.advance(20)
            while files(tmp_path):
                await asyncio.sleep(0.001)
    running.cancel()


async def test_nothing_is_seen_of_a_blob_before_it_is_whole(tmp_path: Path) -> None:
    going, go = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncGenerator[bytes]:
        yield b"one"
        going.set()
        await go.wait()

    task = asyncio.create_task(kept(tmp_path).put("t", slow(), ttl_s=9))
    await going.wait()
    assert [file.suffix for file in files(tmp_path)] == [".part"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert files(tmp_path) == []


async def test_a_file_of_another_size_is_not_the_blob(tmp_path: Path) -> None:
    blobs = kept(tmp_path)
    ref = await blobs.put("t", once(), ttl_s=9)
    with pytest.raises(NotFound):
        await anext(blobs.get(BlobRef("t", 4, ref.key)))


async def test_a_folder_that_cannot_be_used_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("in the way")
    blobs, ref = kept(tmp_path / "blobs"), BlobRef("t", 5, "k" * 21)
    with pytest.raises(ProviderUnavailable, match=str(tmp_path)):
        await blobs.put("t", once(), ttl_s=9)
    with pytest.raises(ProviderUnavailable):
        await anext(blobs.get(ref))
    with pytest.raises(ProviderUnavailable):
        await blobs.delete(ref)


async def test_a_clean_up_that_fails_is_logged(tmp_path: Path) -> None:
    (tmp_path / "not a folder").write_text("")
    with capture_logs() as logs:
        await kept(tmp_path).clean()
    assert [log["event"] for log in logs] == ["blob clean-up failed"]
