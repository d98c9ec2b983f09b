"""The connection to Redis: its URLs, and a server that is not there."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from contextlib import suppress
from pathlib import Path

import pytest
from redis.asyncio import Redis, RedisCluster

from antiphon.clock import VirtualClock
from antiphon.connections.redis import RedisConnection, Script
from antiphon.doors.server.tls import self_signed
from antiphon.errors import InvalidRequest, ProviderUnavailable
from tests.valkey import valkey
from tests.virtual_time import on_virtual_time


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1", "127.0.0.1:6379", "redis://127.0.0.1:port", "redis+sentinel://h:p/s"]
)
def test_a_url_that_is_none_is_refused_by_the_name_of_its_setting(url: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        RedisConnection(url)
    assert refused.value.param == "ANTIPHON_REDIS_URL"
    assert "redis://" in refused.value.message


@pytest.mark.parametrize(
    "url", ["redis://h:1/2", "rediss://h", "redis+sentinel://a:1,b:2/main", "redis+cluster://h:7000"]
)
async def test_every_kind_of_url_is_taken(url: str) -> None:
    connection = RedisConnection(url)
    assert isinstance(connection._client, RedisCluster if "cluster" in url else Redis)
    await connection.close()


async def test_a_server_that_is_away_is_waited_for_and_then_named() -> None:
    with socket.socket() as taken:  # nobody listens here
        taken.bind(("127.0.0.1", 0))
        connection = RedisConnection(f"redis://127.0.0.1:{taken.getsockname()[1]}", timeout_s=0.2)
        with pytest.raises(ProviderUnavailable) as away:
            await connection.command("PING")
        assert away.value.code == "redis_unavailable"
        await connection.close()


async def test_a_server_that_does_not_answer_ends_the_timeout_too() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        connection = RedisConnection(f"redis://127.0.0.1:{deaf.getsockname()[1]}", timeout_s=0.2)
        with pytest.raises(ProviderUnavailable):
            await connection.command("PING")
        await connection.close()


async def test_a_server_that_comes_back_in_time_is_not_noticed() -> None:
    with valkey() as server:
        connection = RedisConnection(server.url, timeout_s=20.0)
        script = Script("return redis.call('INCR', KEYS[1])", "0" * 40)
        assert await connection.run(script, ["n"]) == 1
        heard: list[str | None] = []

        async def listen() -> None:
            nonlocal heard
            async for message in connection.listen(["c"]):
                heard += [message[1] if message else None]

        listening = asyncio.create_task(listen())
        async with asyncio.timeout(20):
            while not heard:
                await asyncio.sleep(0.01)
            server.kill()
            later = asyncio.create_task(connection.run(script, ["n"]))
            await asyncio.sleep(0.1)  # it finds no server meanwhile
            await asyncio.to_thread(server.start)
            assert await later == 2
            while heard[-1] != "again":
                await connection.command("PUBLISH", "c", "again")
                await asyncio.sleep(0.05)
        assert heard[:2] == [None, None]
        assert heard[-1] == "again"
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await connection.close()


async def test_who_asks_for_nothing_learns_by_its_subscription_that_the_server_is_back() -> None:
    with valkey() as server:
        connection = RedisConnection(server.url, timeout_s=1.0)

        async def listen() -> None:
            async for _ in connection.listen(["news"]):
                pass

        listening = asyncio.create_task(listen())
        await connection.command("PING")
        assert connection.reachable_since is not None
        server.kill()
        with pytest.raises(ProviderUnavailable):
            await connection.command("PING")
        assert connection.reachable_since is None
        await asyncio.to_thread(server.start)
        async with asyncio.timeout(20):
            while connection.reachable_since is None:
                await asyncio.sleep(0.02)
        listening.cancel()
        await connection.close()


@on_virtual_time
async def test_who_is_known_to_be_away_is_not_waited_for_as_long_again(clock: VirtualClock) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        connection = RedisConnection(f"redis://127.0.0.1:{deaf.getsockname()[1]}", timeout_s=2.0)
        took: list[float] = []
        for _ in range(2):
            begin = clock.now()
            with pytest.raises(ProviderUnavailable):
                await connection.command("PING")
            took.append(clock.now() - begin)
        assert took == pytest.approx([2.0, 1.0])
        await connection.close()


async def test_over_tls_the_certificate_is_asked_for_and_believed_only_where_it_is_known(tmp_path: Path) -> None:
    files = self_signed(tmp_path, time.time())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.cert, files.key)
    with valkey() as server:

        async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", server.port)
            await asyncio.gather(_pump(reader, to_writer), _pump(to_reader, writer))

        proxy = await asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=context)
        url = f"rediss://localhost:{proxy.sockets[0].getsockname()[1]}"
        known = RedisConnection(f"{url}?ssl_ca_certs={files.cert}")
        assert await known.command("PING") in {True, b"PONG"}
        await known.close()
        strange = RedisConnection(url, timeout_s=0.5)
        with pytest.raises(ProviderUnavailable):
            await strange.command("PING")
        await strange.close()
        proxy.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
