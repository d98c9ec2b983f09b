"""What a fleet shares, opened over a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from antiphon.app.settings import load_settings
from antiphon.app.sharing import shared
from antiphon.bus.redis.mirrored import MirroredBus
from antiphon.clock import SystemClock
from antiphon.errors import ProviderUnavailable
from antiphon.jobs.audio import INLINE_BYTES, SMALL_BYTES
from antiphon.observe.metrics import Metrics
from antiphon.wire.jobs import Job, Speak, Transcribe
from tests.serving import STUBS
from tests.unit.app.stage import services_of
from tests.valkey import Valkey, shared_url


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with shared_url() as url:
        yield url


async def test_processes_see_the_jobs_of_each_other(redis_url: str, tmp_path: Path) -> None:
    async with (
        services_of(tmp_path, redis_url=redis_url) as one,
        services_of(tmp_path, redis_url=redis_url) as other,
    ):
        before = await other.shared.depth("speak")
        await one.shared.bus.submit(Job(f"job_{tmp_path.name}", "speak", Speak("hi"), f"out:{tmp_path.name}"))
        assert await other.shared.depth("speak") == before + 1
        assert one.shared.checks() == {"redis": True}
        assert one.shared.has_room()
        assert (one.shared.streams is None, one.shared.watch_room is None) == (False, False)


async def test_rows_go_through_a_queue_and_database_writers_are_two(redis_url: str, tmp_path: Path) -> None:
    async with services_of(tmp_path, redis_url=redis_url) as services:
        assert services.rows.writer is not services.rows.database
        assert sorted(services.lifetime.tasks) == ["database writer", "store writer"]
        assert services.checks() == {"redis": True, "database": True}


@pytest.mark.parametrize("is_mirrored", [False, True])
async def test_the_mirror_is_there_if_it_is_asked_for(redis_url: str, tmp_path: Path, is_mirrored: bool) -> None:
    async with services_of(tmp_path, redis_url=redis_url, redis_mirror=is_mirrored) as services:
        assert isinstance(services.shared.bus, MirroredBus) is is_mirrored


async def test_large_audio_lies_in_the_folder_of_the_settings(redis_url: str, tmp_path: Path) -> None:
    blobs = tmp_path / "blobs"
    async with services_of(tmp_path / "data", redis_url=redis_url, blobs_path=blobs) as services:
        audio = services.shared.audio
        assert audio is not None
        for size, in_folder in ((INLINE_BYTES + 2, False), (SMALL_BYTES + 2, True)):
            job = await audio.detach(Job("a", "transcribe", Transcribe(bytes(size), 16_000), "out"))
            assert any(path.is_file() for path in blobs.rglob("*")) is in_folder
            whole = await audio.attach(job)
            assert isinstance(whole.work, Transcribe)
            assert len(whole.work.audio) == size


async def test_a_redis_that_does_not_answer_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(ProviderUnavailable):
        async with services_of(tmp_path, redis_url="redis://127.0.0.1:9/0", redis_timeout_s=0.2):
            pass


async def test_a_process_that_waits_opens_as_soon_as_redis_is_there(tmp_path: Path) -> None:
    server = Valkey(tmp_path)
    server.kill()
    settings = load_settings(**STUBS, data_dir=tmp_path / "data", redis_url=server.url, redis_timeout_s=0.3)
    opened = asyncio.Event()

    async def wait() -> None:
        async with shared(settings, SystemClock(), Metrics(), waits=True) as own:
            assert own.checks() == {"redis": True}
            opened.set()

    with capture_logs() as logs:
        waiting = asyncio.create_task(wait())
        try:
            async with asyncio.timeout(20):
                while not any(entry["event"] == "Redis is not there yet" for entry in logs):
                    await asyncio.sleep(0.01)
            assert not opened.is_set()
            await asyncio.to_thread(server.start)
            await asyncio.wait_for(waiting, 20)
        finally:
            server.stop()
    assert opened.is_set()
