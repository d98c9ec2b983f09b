"""Gateways whose Redis is nearly full: new sessions are refused, and open ones continue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
import redis
import websockets

from tests.dubbing import worker
from tests.serving import Client, Served, serving
from tests.valkey import Valkey, valkey

FILLER_BYTES = 50 * 2**20

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as made:
        yield made


def fill(server: Valkey, share: float) -> None:
    """Leave so little that this share of the memory is in use."""
    with redis.Redis.from_url(server.url) as client:
        client.config_set("maxmemory", 0)
        client.setrange("filler", FILLER_BYTES, b"x")
        client.config_set("maxmemory", int(client.info("memory")["used_memory"] / share))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateways(server: Valkey, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Client, Served]]:
    """A session at a gateway that found room, and a gateway that found little."""
    async with (
        serving(tmp_path_factory.mktemp("first"), redis_url=server.url) as first,
        first.connect() as client,
    ):
        await client.until("session.created")
        await client.say_text("Hello.")
        fill(server, 0.95)
        async with serving(tmp_path_factory.mktemp("second"), redis_url=server.url) as second:
            yield client, second


@pytest.mark.parametrize("path", ["/v1/realtime", "/v1/realtime?intent=transcription", "/v1/realtime/translations"])
async def test_a_new_session_is_refused_before_redis_refuses_to_write(
    gateways: tuple[Client, Served], path: str
) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with websockets.connect(gateways[1].ws + path):
            pass
    assert refused.value.response.status_code == 503
    assert b"overloaded_error" in (refused.value.response.body or b"")


@pytest.mark.parametrize("path", ["speech", "transcriptions", "translations"])
async def test_audio_over_rest_is_refused_too_for_it_would_fill_the_rest(
    gateways: tuple[Client, Served], path: str
) -> None:
    async with httpx.AsyncClient(base_url=gateways[1].url) as client:
        if path == "speech":
            answer = await client.post("/v1/audio/speech", json={"model": "m", "voice": "v", "input": "Hello."})
        else:
            answer = await client.post(f"/v1/audio/{path}", data={"model": "m"}, files={"file": ("a.wav", b"")})
    assert (answer.status_code, answer.json()["error"]["type"]) == (503, "overloaded_error")


async def test_a_session_that_lives_is_resumed_and_answered(gateways: tuple[Client, Served]) -> None:
    client, second = gateways
    session = client.events[0]["session"]["id"]
    async with second.connect(f"session_id={session}") as resumed:
        assert (await resumed.until("session.created"))["session"]["id"] == session
        await resumed.say_text("How are you?")
        await resumed.send("response.create")
        assert (await resumed.until("response.done"))["response"]["status"] == "completed"


async def test_a_new_stream_of_dubbing_is_told_to_come_later(gateways: tuple[Client, Served]) -> None:
    async with worker(gateways[1].url) as one:
        await one.init()
        assert (await one.next("error"))["code"] == "RATE_LIMIT"


async def test_the_share_in_use_is_a_metric(gateways: tuple[Client, Served]) -> None:
    share = gateways[1].process.services.metrics.registry.get_sample_value("redis_memory_used_share")
    assert share == pytest.approx(0.95, abs=0.02)


async def test_with_room_again_sessions_are_let_in(server: Valkey, tmp_path: Path) -> None:
    fill(server, 0.5)
    async with serving(tmp_path, redis_url=server.url) as served, served.connect() as client:
        await client.until("session.created")
