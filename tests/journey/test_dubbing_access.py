"""Who may connect to the dubbing door, how many, and for how long without a word."""

from __future__ import annotations

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from antiphon.audio.wav import write_wav
from antiphon.doors.access.authentication import key_id
from antiphon.resilience.fair_slots import FairSlots
from tests.contract.dubbing import check_dubbing_event
from tests.dubbing import RATE_HZ, TONE, Door, dubbing, eventually, refusal, sound, worker

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEYS = ("sk-one-0123456789abc", "sk-two-0123456789abc")


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
        {"auth": {"token": "sk-one-0123456789abc"}},
        {"headers": {"Authorization": "Bearer sk-two-0123456789abc"}},
        {"auth": {"token": "sk-one-0123456789abc"}, "headers": {"Authorization": "Bearer sk-wrong"}},
        {"auth": {"token": "sk-one-0123456789abc"}, "transports": ["polling", "websocket"]},
        {"headers": {"Authorization": "Bearer sk-two-0123456789abc"}, "transports": ["polling", "websocket"]},
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
        {"auth": {"token": ["sk-one-0123456789abc"]}},
        {"auth": {"key": "sk-one-0123456789abc"}},
        {"auth": "sk-one-0123456789abc"},
        {"auth": ["sk-one-0123456789abc"]},
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
        headers={"Authorization": "Bearer sk-one-0123456789abc", "Content-Type": "application/json"},
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
    monkeypatch.setenv("ANTIPHON_REQUIRE_AUTH", "false")
    async with dubbing(tmp_path, api_keys=KEYS) as door, worker(door.url) as one:
        await one.begin()
        await one.offer(0)
        assert (await one.result())["status"] == "success"


@pytest.mark.parametrize("transports", [["websocket"], ["polling"]])
async def test_a_key_counts_where_none_is_asked_for_and_a_wrong_one_is_refused(
    tmp_path: Path, transports: list[str]
) -> None:
    options: dict[str, Any] = {"stream_id": "match-1", "transports": transports}
    async with (
        dubbing(tmp_path, api_keys=KEYS, dubbing_require_auth=False, dubbing_fragments_per_min=1) as door,
        worker(door.url, auth={"token": KEYS[0]}, **options) as one,
        worker(door.url, headers={"Authorization": f"Bearer {KEYS[1]}"}, **options) as two,
        worker(door.url, **options) as nobody,
    ):
        began = [(await each.begin())["session_id"] for each in (one, two, nobody)]
        assert len(set(began)) == 3, "each has a stream of its own"
        for each in (one, two, nobody):
            await each.offer(0)
            await each.result()
            await each.offer(1)
            await each.error("RATE_LIMIT")
        for wrong in ({"auth": {"token": "sk-three"}}, {"headers": {"X-API-Key": "sk-three"}}):
            assert_refused(await refusal(door.url, transports=transports, **wrong), "AUTH_FAILED", "fatal")


async def test_workers_without_a_key_have_as_many_connections_as_one_key(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"dubbing_require_auth": False, "dubbing_connections_per_key": 1}
    async with dubbing(tmp_path, api_keys=KEYS, **settings) as door, worker(door.url):
        assert_refused(await refusal(door.url), "RATE_LIMIT", "warning")
        async with worker(door.url, auth={"token": KEYS[0]}) as other:
            assert await other.begin()


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


async def test_a_page_of_an_allowed_origin_may_read_what_every_door_answers(tmp_path: Path) -> None:
    origin = "https://studio.example"
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,x-worker-id"}
    upgrade = {
        "connection": "upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    polling = "/socket.io/?EIO=4&transport=polling"
    rows: list[tuple[int, str, str, dict[str, str]]] = [
        (204, "OPTIONS", polling, asks),
        (204, "OPTIONS", "/v1/audio/speech", asks),
        (200, "GET", polling, {}),
        (400, "GET", polling + "&j=1", {}),
        (400, "POST", polling + "&sid=none", {}),
        (401, "GET", polling, {"authorization": "Bearer wrong"}),
        (401, "GET", "/v1/models", {}),
        (401, "GET", "/v1/realtime", upgrade),
        (404, "GET", "/nothing", upgrade),
    ]
    async with (
        dubbing(tmp_path, api_keys=KEYS, allowed_origins=(origin,)) as door,
        httpx.AsyncClient(base_url=door.url) as browser,
    ):
        for status, method, path, headers in rows:
            answer = await browser.request(method, path, headers={"origin": origin, **headers})
            assert answer.status_code == status, (method, path, answer.text)
            assert answer.headers.get_list("access-control-allow-origin") == [origin], (method, path)
            stranger = await browser.request(method, path, headers={"origin": "https://evil.example", **headers})
            assert not [name for name in stranger.headers if name.startswith("access-control-")], (method, path)


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
    async with worker(locked.url, auth={"token": "sk-one-0123456789abc"}) as one:
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
    idle_s = 1.0
    async with dubbing(tmp_path, dubbing_idle_s=idle_s) as door, worker(door.url) as busy, worker(door.url) as idle:
        await busy.begin()
        begin = time.monotonic()
        await idle.init({"format": "mp3"})
        await idle.error("INVALID_CONFIG")
        await idle.ended()
        assert time.monotonic() - begin >= idle_s
        assert not busy.gone.is_set(), "who has a stream may be silent"
        await busy.offer(0)
        await busy.result()


# -- turns at the decoders -----------------------------------------------------
async def test_all_files_of_a_key_take_turns_uploads_and_fragments_of_any_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    callers, place = list[str](), FairSlots.place

    def noted(places: FairSlots, caller: str) -> AbstractAsyncContextManager[None]:
        callers.append(caller)
        return place(places, caller)

    monkeypatch.setattr(FairSlots, "place", noted)
    file = write_wav(TONE, RATE_HZ)
    async with dubbing(tmp_path, api_keys=KEYS) as door:
        for key in KEYS:
            for _ in range(2):
                async with worker(door.url, auth={"token": key}) as one:
                    await one.begin()
                    await one.offer(0, audio=sound(file, format="wav"))
                    assert (await one.result())["status"] == "success"
            async with httpx.AsyncClient(base_url=door.url, headers={"Authorization": f"Bearer {key}"}) as client:
                upload = {"files": {"file": ("a.wav", file)}, "data": {"model": "whisper-1"}}
                assert (await client.post("/v1/audio/transcriptions", **upload)).status_code == 200
    assert callers == [key_id(KEYS[0])] * 3 + [key_id(KEYS[1])] * 3


async def test_a_new_stream_counts_as_a_request_and_a_resumed_one_does_not(tmp_path: Path) -> None:
    async with dubbing(tmp_path, limit_requests_per_min=1) as door:
        async with worker(door.url) as one:
            await one.begin()
            await one.offer(0)
            await one.result()
            async with worker(door.url) as other:
                await other.init()
                assert "limit of 1 requests per minute" in (await other.error("RATE_LIMIT"))["message"]
                await other.emit("stream:pause", {"stream_id": other.stream_id})
                await other.error("STREAM_NOT_FOUND")
            await one.vanish()
        async with worker(door.url, stream_id=one.stream_id) as back:
            await back.begin()
            await back.offer(1)
            assert (await back.result())["sequence_number"] == 1
