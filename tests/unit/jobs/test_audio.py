from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from antiphon.clock import VirtualClock
from antiphon.errors import Overloaded, ProviderUnavailable
from antiphon.jobs.audio import INLINE_BYTES, SMALL_BYTES, JobAudio
from antiphon.store.blobs import FileBlobs
from antiphon.wire.jobs import Job, Speak, Transcribe, Work

AUDIO = bytes(range(256)) * 1024


def places(root: Path, clock: VirtualClock | None = None) -> JobAudio:
    clock = clock or VirtualClock()
    small, large = (FileBlobs(root / name, tenant_bytes=2**30, clock=clock) for name in ("small", "large"))
    return JobAudio(small, clock, large=large)


def job(work: Work, tenant: str = "t", deadline_s: float = 0.0) -> Job:
    return Job("j", "transcribe", work, "out", tenant=tenant, deadline_s=deadline_s)


def files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


@pytest.mark.parametrize("work", [Transcribe(bytes(INLINE_BYTES), 1), Speak("a" * 2 * INLINE_BYTES)])
async def test_a_job_without_large_audio_stays_the_same_object(tmp_path: Path, work: Work) -> None:
    audio, asked = places(tmp_path), job(work)
    assert await audio.detach(asked) is asked
    assert await audio.attach(asked) is asked
    await audio.delete(asked)
    assert files(tmp_path) == []


async def test_nothing_but_the_audio_changes_on_the_way(tmp_path: Path) -> None:
    audio, asked = places(tmp_path), job(Transcribe(AUDIO, 16_000, language="es", prompt="names"))
    sent = await audio.detach(asked)
    assert isinstance(sent.work, Transcribe)
    assert sent.work.audio == b""
    assert await audio.detach(sent) is sent
    assert await audio.attach(sent) == asked
    await audio.delete(sent)
    assert files(tmp_path) == []


@pytest.mark.parametrize(("size", "place"), [(SMALL_BYTES, "small"), (SMALL_BYTES + 1, "large")])
async def test_the_size_says_where_audio_lies(tmp_path: Path, size: int, place: str) -> None:
    audio, asked = places(tmp_path), job(Transcribe(bytes(size), 16_000))
    sent = await audio.detach(asked)
    assert [file.stat().st_size for file in files(tmp_path / place)] == [size]
    assert await audio.attach(sent) == asked
    await audio.delete(sent)
    assert files(tmp_path) == []


async def test_without_another_place_long_audio_lies_in_parts(tmp_path: Path) -> None:
    clock = VirtualClock()
    audio = JobAudio(FileBlobs(tmp_path, tenant_bytes=2**30, clock=clock), clock)
    asked = job(Transcribe(b"ab" * SMALL_BYTES + b"c", 16_000))
    sent = await audio.detach(asked)
    assert sorted(file.stat().st_size for file in files(tmp_path)) == [1, SMALL_BYTES, SMALL_BYTES]
    assert await audio.attach(sent) == asked
    await audio.delete(sent)
    assert files(tmp_path) == []


async def test_parts_that_were_stored_go_when_there_is_no_room_for_the_last(tmp_path: Path) -> None:
    clock = VirtualClock()
    audio = JobAudio(FileBlobs(tmp_path, tenant_bytes=SMALL_BYTES + 1, clock=clock), clock)
    with pytest.raises(Overloaded) as full:
        await audio.detach(job(Transcribe(bytes(2 * SMALL_BYTES), 16_000)))
    assert full.value.code == "blobs_full"
    assert files(tmp_path) == []


@pytest.mark.parametrize(("deadline_s", "lasts_s"), [(100, 160), (-100, 60), (0, 24 * 3600 + 60)])
async def test_audio_outlasts_the_deadline_by_a_minute(tmp_path: Path, deadline_s: float, lasts_s: float) -> None:
    clock = VirtualClock()
    audio = places(tmp_path, clock)
    sent = await audio.detach(job(Transcribe(AUDIO, 1), deadline_s=deadline_s and clock.wall() + deadline_s))
    clock.advance(lasts_s - 1)
    await audio.attach(sent)
    clock.advance(2)
    with pytest.raises(ProviderUnavailable) as gone:
        await audio.attach(sent)
    assert gone.value.code == "audio_gone"


async def test_a_job_reaches_the_audio_of_its_own_tenant_alone(tmp_path: Path) -> None:
    audio = places(tmp_path)
    sent = await audio.detach(job(Transcribe(AUDIO, 1)))
    forged = msgspec.structs.replace(sent, tenant="u")
    with pytest.raises(ProviderUnavailable):
        await audio.attach(forged)
    await audio.delete(forged)
    assert await audio.attach(sent)


async def test_audio_that_cannot_be_deleted_is_logged_and_expires(tmp_path: Path) -> None:
    clock = VirtualClock()
    audio = places(tmp_path, clock)
    sent = await audio.detach(job(Transcribe(AUDIO, 1)))
    (folder,) = (tmp_path / "small").iterdir()
    away = folder.rename(tmp_path / "away")
    folder.write_text("in the way")
    with capture_logs() as logs:
        await audio.delete(sent)
    assert [log["event"] for log in logs] == ["job audio deletion failed"]
    folder.unlink()
    away.rename(folder)
    clock.advance(25 * 3600)
    task = asyncio.create_task(audio.run(3600))
    async with asyncio.timeout(10):
        while files(tmp_path):
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
