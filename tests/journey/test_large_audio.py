"""Recordings over a fleet: whole at the worker, also after one that was killed, and gone from Redis afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from antiphon.audio.wav import write_wav
from tests.fleet import Fleet, fleet
from tests.serving import Client, recording, serving
from tests.valkey import valkey

RATE_HZ = 16_000
SENTENCE = recording("spk1_snt4.wav", RATE_HZ)
TEXT = "hello from the stub"


def wav(seconds: int) -> bytes:
    """A recording that is silent but for its end."""
    return write_wav(bytes(2 * RATE_HZ * seconds - len(SENTENCE)) + SENTENCE, RATE_HZ)


async def transcribe(url: str, seconds: int) -> httpx.Response:
    files = {"file": ("long.wav", wav(seconds))}
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        return await client.post("/v1/audio/transcriptions", data={"model": "whisper-1"}, files=files)


def audio_keys(url: str) -> list[bytes | str]:
    """Return the keys that hold audio of jobs."""
    with redis.Redis.from_url(url) as client:
        return client.keys("t:*:blob:*")


def largest_job(url: str) -> int:
    """Return the bytes of the largest job that waits or is being worked on."""
    with redis.Redis.from_url(url) as client:
        return max((client.hstrlen(key, "data") for key in client.keys("antiphon:queue:*:job:*")), default=0)


async def until_no_audio(url: str) -> None:
    async with asyncio.timeout(10):
        while audio_keys(url):
            await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def made() -> Iterator[Fleet]:
    with fleet(stub_stt_ms=1500) as one:
        yield one


async def kill_who_listens(made: Fleet) -> None:
    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(ValueError):  # nobody has it yet
            made.holder("transcribe", "stt-workers").kill()
            return
        assert time.monotonic() < deadline, "nobody takes it"
        await asyncio.sleep(0.02)


async def test_a_recording_whose_worker_is_killed_is_heard_by_another(made: Fleet) -> None:
    gateway, workers = made.gateway(), [made.worker("transcribe") for _ in range(2)]
    assert all(one.url for one in (gateway, *workers))
    asked = asyncio.create_task(transcribe(gateway.url, 60))
    await kill_who_listens(made)
    assert len(audio_keys(made.valkey.url)) == 1
    assert 0 < largest_job(made.valkey.url) < 1024
    answer = await asked
    assert (answer.status_code, answer.json()["text"]) == (200, TEXT)
    await until_no_audio(made.valkey.url)


async def test_a_long_recording_lies_in_redis_in_parts(tmp_path: Path) -> None:
    with valkey() as server:
        async with serving(tmp_path, redis_url=server.url) as served:
            answer = await transcribe(served.url, 300)
            assert (answer.status_code, answer.json()["text"]) == (200, TEXT)
            await until_no_audio(server.url)


async def test_a_tenant_whose_room_is_full_is_told_so_and_nothing_of_it_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("antiphon.app.over_redis._BLOBS_BYTES", 9 * 2**20)
    with valkey() as server:
        async with serving(tmp_path, redis_url=server.url) as served:
            assert (await transcribe(served.url, 200)).json()["text"] == TEXT
            refused = await transcribe(served.url, 300)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "blobs_full")
            await until_no_audio(server.url)


async def test_a_shared_folder_takes_what_redis_does_not(tmp_path: Path) -> None:
    with valkey() as server:
        async with serving(tmp_path / "data", redis_url=server.url, blobs_path=tmp_path / "blobs") as served:
            answer = await transcribe(served.url, 300)
            assert (answer.status_code, answer.json()["text"]) == (200, TEXT)
            async with asyncio.timeout(10):  # they are removed once the answer is out
                while any(file.is_file() for file in (tmp_path / "blobs").rglob("*")):
                    await asyncio.sleep(0.05)


async def test_a_turn_that_redis_does_not_take_fails_and_the_session_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("antiphon.app.over_redis._BLOBS_BYTES", 9 * 2**20)
    with valkey() as server:
        async with serving(tmp_path, redis_url=server.url) as served, served.connect() as client:
            assert await turn(client, bytes(2 * 24_000 * 300)) == "blobs_full"
            assert await turn(client, recording("spk1_snt4.wav")) == TEXT


async def turn(client: Client, audio: bytes) -> str:
    """Say something, and return what was heard, or why not."""
    transcription = {"model": "whisper-1"}
    await client.configure(audio={"input": {"turn_detection": None, "transcription": transcription}})
    await client.append(audio, piece=2**20)
    await client.send("input_audio_buffer.commit")
    stem = "conversation.item.input_audio_transcription"
    while True:
        event = await client.receive()
        if event["type"] == f"{stem}.failed":
            return event["error"]["code"]
        if event["type"] == f"{stem}.completed":
            return event["transcript"]
