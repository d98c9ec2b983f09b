"""Who may connect to the dubbing door, how many, and for how long without a word."""

from __future__ import annotations

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.contract.dubbing import check_dubbing_event
from tests.dubbing import Door, dubbing, eventually, refusal, worker

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEYS = ("sk-one", "sk-two")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def locked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    """A server that asks for a key."""
    limits = {"dubbing_connections_per_key": 2, "dubbing_fragments_per_min": 3}
    async with dubbing(tmp_path_factory.mktemp("locked"), api_keys=KEYS, **limits) as running:
        yield running


def assert_refused(told: Any, code: str, severity: str) -> None:
    assert told["message"]
    check_dubbing_event("error", told["data"])
    assert (told["data"]["code"], told["data"]["severity"]) == (code, severity)


# -- keys ----------------------------------------------------------------------
@pytest.mark.parametrize(
    "options",
    [
        {"auth": {"token": "sk-one"}},
        {"headers": {"Authorization": "Bearer sk-two"}},
        {"auth": {"token": "sk-one"}, "headers": {"Authorization": "Bearer sk-wrong"}},
        {"auth": {"token": "sk-one"}, "transports": ["polling", "websocket"]},
        {"headers": {"Authorization": "Bearer sk-two"}, "transports": ["polling", "websocket"]},
    ],
)
async def test_a_key_opens_the_door_in_the_handshake_or_in_a_header(locked: Door, options: dict[str, Any]) -> None:
    async with worker(locked.url, **options) as one:
        await one.begin()
        await one.offer(0)
        assert (await one.result())["status"] == "success"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"auth": {"token": "sk-three"}},
        {"auth": {"token": ""}},
        {"auth": {"token": 5}},
        {"auth": {"token": ["sk-one"]}},
        {"auth": {"key": "sk-one"}},
        {"auth": "sk-one"},
        {"auth": ["sk-one"]},
        {"headers": {"Authorization": "Bearer sk-three"}},
        {"transports": ["polling", "websocket"]},
    ],
)
async def test_without_a_right_key_nobody_is_let_in(locked: Door, options: dict[str, Any]) -> None:
    told = await refusal(locked.url, **options)
    assert_refused(told, "AUTH_FAILED", "fatal")
    assert told["data"]["retryable"] is False


async def test_a_client_secret_opens_no_stream(locked: Door) -> None:
    request = urllib.request.Request(
        f"{locked.url}/v1/realtime/client_secrets",
        data=b"{}",
        headers={"Authorization": "Bearer sk-one", "Content-Type": "application/json"},
    )
    answer = await asyncio.to_thread(lambda: urllib.request.urlopen(request).read().decode())
    secret = answer.partition('"value":"')[2].partition('"')[0]
    assert secret.startswith("ek_")
    assert_refused(await refusal(locked.url, auth={"token": secret}), "AUTH_FAILED", "fatal")


async def test_a_token_is_tolerated_where_none_is_asked_for(tmp_path: Path) -> None:
    async with dubbing(tmp_path) as door, worker(door.url, auth={"token": "anything"}) as one:
        assert await one.begin()


async def test_dubbing_may_be_open_where_other_doors_ask_for_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUIRE_AUTH", "false")
    async with dubbing(tmp_path, api_keys=KEYS) as door, worker(door.url) as one:
        await one.begin()
        await one.offer(0)
        assert (await one.result())["status"] == "success"


# -- pages of strangers ----------------------------------------------------------------------
async def test_an_open_server_serves_no_page_of_a_stranger(tmp_path: Path) -> None:
    allowed = "https://studio.example"
    async with dubbing(tmp_path, allowed_origins=(allowed,)) as door:
        for transports in (["websocket"], ["polling"]):
            for origin in ("https://evil.example", "null"):
                await refusal(door.url, headers={"Origin": origin}, transports=transports)
        for origin in (allowed, door.url):
            async with worker(door.url, headers={"Origin": origin}) as one:
                assert await one.begin()


async def test_an_open_server_answers_to_no_name_but_its_own(tmp_path: Path) -> None:
    async with dubbing(tmp_path) as door:
        address = f"{door.url}/socket.io/?EIO=4&transport=polling"
        request = urllib.request.Request(address, headers={"Host": "rebound.example"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            await asyncio.to_thread(urllib.request.urlopen, request)
        assert refused.value.code == 403
        refused.value.close()


# -- how many ----------------------------------------------------------------------
async def test_one_more_connection_than_the_most_is_refused_until_one_leaves(tmp_path: Path) -> None:
    async with dubbing(tmp_path, dubbing_max_connections=2) as door, worker(door.url) as first:
        async with worker(door.url):
            told = await refusal(door.url)
            assert_refused(told, "RATE_LIMIT", "warning")
            assert told["data"]["retryable"] is True
            assert await first.begin()
        await eventually(lambda: door.metric('active_connections{door="dubbing"}') == 1)
        async with worker(door.url) as third:
            assert await third.begin()


async def test_a_key_has_so_many_connections_and_no_more(locked: Door) -> None:
    one, two = ({"auth": {"token": key}} for key in KEYS)
    async with worker(locked.url, **one), worker(locked.url, **one):
        assert_refused(await refusal(locked.url, **one), "RATE_LIMIT", "warning")
        async with worker(locked.url, **two) as other:
            assert await other.begin()


async def test_a_stream_has_so_many_fragments_a_minute_where_keys_are_asked_for(locked: Door) -> None:
    async with worker(locked.url, auth={"token": "sk-one"}) as one:
        await one.begin()
        for number in range(3):
            await one.offer(number)
            await one.result()
        await one.offer(3)
        error = await one.error("RATE_LIMIT")
        assert (error["fragment_id"], error["retryable"], error["severity"]) == (one.name(3), True, "warning")
        assert (await one.end())["total_fragments"] == 3


# -- how long ----------------------------------------------------------------------
async def test_a_connection_without_a_stream_that_says_nothing_is_closed(tmp_path: Path) -> None:
    idle_s = 0.3
    async with dubbing(tmp_path, dubbing_idle_s=idle_s) as door, worker(door.url) as busy, worker(door.url) as idle:
        await busy.begin()
        begin = time.monotonic()
        await idle.init({"format": "mp3"})
        await idle.error("INVALID_CONFIG")
        await idle.ended()
        assert idle_s * 0.4 <= time.monotonic() - begin < idle_s + 10
        assert not busy.gone.is_set(), "who has a stream may be silent"
        await busy.offer(0)
        await busy.result()
