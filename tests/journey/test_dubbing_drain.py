"""A server that is told to go, and one whose workers read nothing: what is left of both."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.dubbing import CONFIG, Worker, dubbing, refusal, sound, worker
from tests.journey.test_abuse import MIB, Server, frame, greeting, server, upgrade
from tests.journey.test_kill import start

GREEDY = 4


# -- the end of the server -----------------------------------------------------------------------------------------
async def test_a_drain_delivers_what_is_in_flight_takes_nothing_new_and_disconnects(tmp_path: Path) -> None:
    async with dubbing(tmp_path, drain_s=30) as door, worker(door.url) as busy, worker(door.url) as idle:
        await busy.begin()
        await idle.begin()
        with door.stt.held():
            await busy.accepted(0, 1, 2)
            door.served.stop.set()
            await idle.ended()
            told = await refusal(door.url)
            assert told["data"]["code"] == "RATE_LIMIT"
            await busy.offer(3)
            await busy.emit("stream:pause", {"stream_id": "nobody's"})
            await busy.error("STREAM_NOT_FOUND")
            assert not busy.gone.is_set()
        assert [(await busy.result())["sequence_number"] for _ in range(3)] == [0, 1, 2]
        await busy.ended()
        assert [ack["fragment_id"] for ack in busy.of("fragment:ack")] == [busy.name(number) for number in range(3)]


async def test_a_drain_waits_no_longer_than_it_may(tmp_path: Path) -> None:
    async with dubbing(tmp_path, drain_s=0.3) as door, worker(door.url) as one:
        await one.begin()
        with door.stt.held():
            await one.accepted(0)
            begin = time.monotonic()
            door.served.stop.set()
            await one.ended()
            assert time.monotonic() - begin >= 0.3
        assert not one.of("fragment:processed")


async def test_sigterm_delivers_what_is_in_flight_and_ends_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"stub_stt_ms": 400, "stt_workers": 3, "stub_text": "hello", "stub_tts_ms_per_word": 100}
    for name, value in settings.items():
        monkeypatch.setenv(f"ANTIPHON_{name.upper()}", str(value))
    process, url = await start(tmp_path)
    async with worker(url) as one:
        await one.begin()
        await one.accepted(0, 1, 2)
        process.terminate()
        results = [await one.result() for _ in range(3)]
        assert [(result["sequence_number"], result["status"]) for result in results] == [
            (0, "success"), (1, "success"), (2, "success"),
        ]  # fmt: skip
        await one.ended()
        async with asyncio.timeout(20):
            assert await process.wait() == 0


# -- workers that read nothing ---------------------------------------------------------------------------------------
def greedy(port: int) -> socket.socket:
    """A WebSocket with the smallest of receive buffers, greeted and without a stream."""
    one = upgrade(port, greeting("/socket.io/?EIO=4&transport=websocket"))
    heard = b""
    while b"0{" not in heard:
        heard += one.recv(512)
    one.sendall(frame(b"40"))
    return one


def emitted(name: str, payload: dict[str, Any]) -> bytes:
    """An event as a frame."""
    return frame(f"42{json.dumps([name, payload])}".encode())


def connections(served: Server) -> float:
    """How many workers a server in a process of its own has."""
    with urllib.request.urlopen(f"{served.url}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith('active_connections{door="dubbing"}'))


async def test_workers_that_read_nothing_are_cut_off_and_memory_stays_where_it_was(tmp_path: Path) -> None:
    """Each has one long fragment dubbed, then asks for its result again and again, which costs it next to nothing."""
    loud = {**CONFIG, "sample_rate_hz": 48_000, "channels": 2}
    long = sound(bytes(5 * 32_000), duration_ms=5_000)
    async with server(tmp_path, dubbing_stall_s=1) as served, worker(served.url) as polite:
        await polite.begin()
        await polite.offer(0, data=bytes(3_200))
        await polite.result()
        before = served.rss_bytes()
        sockets = [await asyncio.to_thread(greedy, served.port) for _ in range(GREEDY)]
        async with asyncio.timeout(30):
            while await asyncio.to_thread(connections, served) < GREEDY + 1:  # one that floods may be cut off soon
                await asyncio.sleep(0.01)
        begin = time.monotonic()
        for one, who in zip(sockets, [Worker() for _ in sockets], strict=True):
            again = emitted("fragment:data", who.fragment(0, audio={**long, "data_base64": "AAAA"}))
            first = emitted("fragment:data", who.fragment(0, audio=long))
            one.sendall(emitted("stream:init", who.init_payload(loud)) + first)
            one.setblocking(False)
            one.send(again * 2_000)
        number, most = 1, 0
        while await asyncio.to_thread(connections, served) > 1:
            assert time.monotonic() - begin < 120, "they are not cut off"
            await polite.offer(number, data=bytes(3_200))
            await polite.result()
            number += 1
            most = max(most, served.rss_bytes() - before)
        for one in sockets:
            one.close()
        assert most < 100 * MIB
