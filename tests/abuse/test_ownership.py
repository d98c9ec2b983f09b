"""What one key began is that key's: nobody else sees, disturbs or pays for it."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import websockets

from antiphon.client import connect
from antiphon.doors.access.authentication import key_id
from antiphon.wire.realtime_server import ConversationItemDone, ResponseDone, SessionCreated, SessionResumed
from tests.abuse.owning import ANNA, BELA, TRANSLATION, ask_secret, get, id_of, post, refused, secret, session, token_of
from tests.abuse.two_keys import Bearer, World
from tests.dubbing import Door, dubbing, eventually, refusal, worker
from tests.serving import Client, Served, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with serving(tmp_path_factory.mktemp("owned"), api_keys=(ANNA, BELA)) as made:
        yield made


# -- sessions --------------------------------------------------------------------------------------------------------
async def test_no_other_key_and_no_secret_of_another_kind_resumes_a_session(served: Served) -> None:
    async with session(served, ANNA) as client:
        await client.configure(instructions="for Anna alone")
        name, token = id_of(client), token_of(client)
        strangers = [BELA, *[await secret(served, BELA, kind) for kind in ("realtime", "transcription", "translation")]]
        others = [await secret(served, ANNA, kind) for kind in ("transcription", "translation")]
        asked = f"session_id={name}"
        for key in (*strangers, *others):
            for query, headers in (
                (asked, {}),
                (f"{asked}&resume_token={token}", {}),
                (asked, {"X-Antiphon-Resume-Token": token}),
            ):
                answer = await refused(served, key, query, **headers)
                unknown = await refused(served, key, query.replace(name, "sess_unknown"), **headers)
                assert answer[0] == 404
                assert answer[1]["code"] == "session_not_found"
                told = {**answer[1], "message": answer[1]["message"].replace(name, "sess_unknown")}
                assert (answer[0], told) == unknown
        await client.say_text("still here")  # and its connection was not disturbed


async def test_a_fresh_secret_of_the_same_key_needs_the_token(served: Served) -> None:
    async with session(served, await secret(served, ANNA)) as client:
        asked = f"session_id={id_of(client)}"
        fresh = await secret(served, ANNA)
        for key in (fresh, ANNA):
            assert (await refused(served, key, asked))[0] == 404
            assert (await refused(served, key, asked, **{"X-Antiphon-Resume-Token": token_of(client)[:-1]}))[0] == 404
        await client.say_text("still here")
        async with session(served, fresh, f"{asked}&resume_token={token_of(client)}") as back:
            assert (id_of(back), token_of(back)) == (id_of(client), token_of(client))
            async with session(served, ANNA, asked, **{"X-Antiphon-Resume-Token": token_of(client)}) as again:
                assert id_of(again) == id_of(client)


async def test_the_owner_comes_back_without_the_token(served: Served) -> None:
    mine = await secret(served, ANNA)
    for key in (ANNA, mine):
        async with session(served, key) as client, session(served, key, f"session_id={id_of(client)}") as back:
            assert token_of(back) == token_of(client)


async def test_a_secret_that_the_owning_key_has_issued_comes_back_with_the_token(served: Served) -> None:
    async with session(served, ANNA) as client:
        fresh = await secret(served, ANNA)
        assert (await refused(served, fresh, f"session_id={id_of(client)}"))[0] == 404
        async with session(served, fresh, f"session_id={id_of(client)}&resume_token={token_of(client)}") as back:
            assert id_of(back) == id_of(client)


async def test_the_python_client_shows_the_token_when_it_comes_back(served: Served) -> None:
    async with connect(served.url, api_key=await secret(served, ANNA)) as client:
        await client.until(SessionCreated)
        await client.say("hello")
        await client.until(ConversationItemDone)
        client._headers = {"Authorization": f"Bearer {await secret(served, ANNA)}"}  # as a page with a fresh secret
        await client.lose()
        await client.until(SessionResumed)
        await client.respond()
        assert (await client.until(ResponseDone)).response.status == "completed"


# -- limits ----------------------------------------------------------------------------------------------------------
async def test_a_key_that_has_used_up_its_limit_leaves_that_of_the_other(tmp_path: Path) -> None:
    async with serving(tmp_path, api_keys=(ANNA, BELA), limit_requests_per_min=2) as served:
        secret_of_anna = await secret(served, ANNA)

        async def speak(key: str) -> int:
            return (await post(served, "/v1/audio/speech", key, {"input": "a", "model": "m", "voice": "v"}))[0]

        async def answer(key: str) -> str:
            async with session(served, key) as client:
                await client.say_text("hello")
                await client.send("response.create")
                while (event := await client.receive())["type"] not in ("response.done", "error"):
                    pass
                return event["error"]["code"] if event["type"] == "error" else event["response"]["status"]

        assert await speak(ANNA) == 200
        assert await answer(secret_of_anna) == "completed"  # charged to the key that issued it
        assert await speak(ANNA) == 429
        assert await answer(secret_of_anna) == await answer(ANNA) == "rate_limit_exceeded"
        assert await speak(BELA) == 200
        assert await answer(BELA) == "completed"


@pytest.mark.parametrize("path", ["/realtime?intent=transcription", "/realtime/translations"])
async def test_a_session_that_answers_nothing_is_charged_when_it_begins(tmp_path: Path, path: str) -> None:
    async with serving(tmp_path, api_keys=(ANNA, BELA), limit_requests_per_min=2) as served:

        async def begin(key: str) -> int:
            try:
                headers = {"Authorization": f"Bearer {key}"}
                async with websockets.connect(f"{served.ws}/v1{path}", additional_headers=headers) as socket:
                    await socket.recv()
            except websockets.InvalidStatus as refusal:
                return refusal.response.status_code
            return 101

        of_anna = await secret(served, ANNA, "translation" if "translations" in path else "transcription")
        assert [await begin(key) for key in (ANNA, of_anna, ANNA, of_anna)] == [101, 101, 429, 429]
        assert await begin(BELA) == 101


async def test_a_key_that_holds_all_its_connections_leaves_those_of_the_other(tmp_path: Path) -> None:
    async with serving(tmp_path, api_keys=(ANNA, BELA), max_connections_per_key=2) as served:
        mine = await secret(served, ANNA)
        async with session(served, ANNA), session(served, mine):
            for key, path in ((ANNA, ""), (mine, ""), (ANNA, "/translations")):
                status, error = await refused(served, key, path=path)
                assert (status, error["code"]) == (429, "too_many_connections")
            async with session(served, BELA):
                pass
        async with session(served, ANNA):
            pass


# -- client secrets --------------------------------------------------------------------------------------------------
async def closed_with(client: Client) -> int:
    async with asyncio.timeout(20):
        await client.socket.wait_closed()
    return client.socket.close_code or 0


@pytest.mark.parametrize("most", [None, 1, 3])
@pytest.mark.parametrize("kind", ["realtime", "transcription"])
async def test_a_session_too_many_of_a_secret_ends_its_oldest(served: Served, kind: str, most: int | None) -> None:
    mine = await secret(served, ANNA, kind, **({} if most is None else {"max_sessions": most}))
    async with AsyncExitStack() as opened:
        other = await opened.enter_async_context(session(served, await secret(served, ANNA, kind)))
        clients = [await opened.enter_async_context(session(served, mine)) for _ in range(most or 2)]
        resumed = await opened.enter_async_context(session(served, mine, f"session_id={id_of(clients[0])}"))
        clients = [*clients[1:], resumed]  # it counts once, and as the youngest
        for _ in range(2):
            clients.append(await opened.enter_async_context(session(served, mine)))
            oldest = clients.pop(0)
            assert await closed_with(oldest) == 1008
            assert (await refused(served, mine, f"session_id={id_of(oldest)}"))[0] == 404
        for client in (*clients, other):
            await client.send("session.update", session={"type": kind})
            await client.until("session.updated")


async def test_a_session_for_translation_counts_as_well(served: Served) -> None:
    mine = await secret(served, ANNA, "translation", max_sessions=1)
    headers = {"Authorization": f"Bearer {mine}"}
    url = f"{served.ws}/v1/realtime/translations"
    async with (
        websockets.connect(url, additional_headers=headers) as first,
        websockets.connect(url, additional_headers=headers) as second,
    ):
        await second.recv()
        async with asyncio.timeout(20):
            await first.wait_closed()
        assert first.close_code == 1008


async def test_a_secret_that_is_used_up_ends_none_of_its_sessions(served: Served) -> None:
    mine = await secret(served, ANNA, uses=1, max_sessions=1)
    async with session(served, mine) as client:
        assert (await refused(served, mine))[1]["code"] == "used_secret"
        await client.say_text("still here")


@pytest.mark.parametrize("kind", ["realtime", "translation"])
async def test_the_last_use_of_a_secret_has_one_winner(served: Served, kind: str) -> None:
    mine = await secret(served, ANNA, kind, uses=2, max_sessions=10)
    path = "/translations" if kind == "translation" else ""

    async def begin() -> str:
        try:
            headers = {"Authorization": f"Bearer {mine}"}
            async with websockets.connect(f"{served.ws}/v1/realtime{path}", additional_headers=headers) as socket:
                await socket.recv()
        except websockets.InvalidStatus as refusal:
            return json.loads(refusal.response.body)["error"]["code"]
        return "begun"

    found = await asyncio.gather(*(begin() for _ in range(12)))
    assert sorted(found) == ["begun"] * 2 + ["used_secret"] * 10


async def test_a_refused_handshake_spends_no_use_and_a_resumption_is_none(served: Served) -> None:
    mine = await secret(served, ANNA, uses=1)
    assert (await refused(served, mine, path="/translations"))[0] == 400
    assert (await refused(served, mine, "session_id=sess_unknown"))[0] == 404
    async with session(served, mine) as client, session(served, mine, f"session_id={id_of(client)}"):
        pass
    assert (await refused(served, mine))[1]["code"] == "used_secret"


async def test_a_secret_with_origins_opens_for_their_pages_alone(served: Served) -> None:
    mine = await secret(served, ANNA, origins=["https://app.example", "http://localhost:3000"])
    async with session(served, mine, Origin="https://APP.example:443"):
        pass
    for headers in ({}, {"Origin": "https://evil.example"}, {"Origin": "http://app.example"}, {"Origin": "null"}):
        status, error = await refused(served, mine, **headers)
        assert (status, error["code"]) == (403, "origin_not_allowed")


LOCKS: list[tuple[str, str, dict[str, Any]]] = [
    ("instructions", "session.instructions", {"instructions": "FREE LLM FOR ALL"}),
    ("instructions", "session.instructions", {"instructions": None}),
    ("tools", "session.tools", {"tools": []}),
    ("model", "session.model", {"model": "other"}),
    ("voice", "session.audio.output.voice", {"audio": {"output": {"voice": "echo"}}}),
    ("audio", "session.audio", {"audio": {"input": {"turn_detection": None}}}),
    ("turn_detection", "session.audio.input.turn_detection", {"audio": {"input": {"turn_detection": None}}}),
    ("instructions", "response.instructions", {"instructions": "FREE LLM FOR ALL", "conversation": "none"}),
    ("tools", "response.tools", {"tools": [{"type": "function", "name": "f"}]}),
    ("voice", "response.audio.output.voice", {"audio": {"output": {"voice": "echo"}}}),
]


@pytest.mark.parametrize(("name", "param", "wish"), LOCKS)
async def test_a_locked_field_stays_and_the_session_lives(
    served: Served, name: str, param: str, wish: dict[str, Any]
) -> None:
    locks = ["prompt", name]
    async with session(served, await secret(served, ANNA, locked=locks)) as client:
        mine = await secret(served, ANNA)  # a fresh secret without locks does not lift them
        async with session(served, mine, f"session_id={id_of(client)}&resume_token={token_of(client)}") as back:
            if param.startswith("session"):
                await back.send("session.update", event_id="e", session={"type": "realtime", **wish})
            else:
                await back.send("response.create", event_id="e", response=wish)
            error = (await back.until("error"))["error"]
            assert (error["type"], error["code"]) == ("invalid_request_error", "locked_field")
            assert (error["param"], error["event_id"]) == (param, "e")
            await back.configure(max_output_tokens=500)
            await back.say_text("hello")
            await back.send("response.create")
            assert (await back.until("response.done"))["response"]["status"] == "completed"


async def test_a_secret_with_locks_brings_them_into_the_session_that_it_resumes(served: Served) -> None:
    async with session(served, ANNA) as client:
        mine = await secret(served, ANNA, locked=["instructions"])
        async with session(served, mine, f"session_id={id_of(client)}&resume_token={token_of(client)}") as back:
            await back.send("session.update", session={"type": "realtime", "instructions": "other"})
            assert (await back.until("error"))["error"]["code"] == "locked_field"


@pytest.mark.parametrize(
    ("kind", "bounds", "param"),
    [
        ("realtime", {"uses": 0}, "antiphon.uses"),
        ("realtime", {"max_sessions": 0}, "antiphon.max_sessions"),
        ("realtime", {"origins": []}, "antiphon.origins"),
        ("realtime", {"origins": ["app.example"]}, "antiphon.origins"),
        ("realtime", {"origins": ["https://app.example/path"]}, "antiphon.origins"),
        ("realtime", {"locked": ["everything"]}, "antiphon.locked"),
        ("realtime", {"lock": ["tools"]}, "antiphon"),
        ("transcription", {"locked": ["audio", "instructions"]}, "antiphon.locked"),
        ("transcription", {"locked": ["voice"]}, "antiphon.locked"),
        ("translation", {"locked": ["audio"]}, "antiphon"),
    ],
)
async def test_a_bound_that_means_nothing_is_refused_by_its_name(
    served: Served, kind: str, bounds: dict[str, Any], param: str
) -> None:
    status, answer = await ask_secret(served, ANNA, kind, **bounds)
    assert status == 400
    assert answer["error"]["param"].startswith(param)


@pytest.mark.parametrize(
    "wish",
    [
        {"Antiphon": {"uses": 1}},
        {"antiphon_": {}},
        {"expiresAfter": {"seconds": 60}},
        {"expires_after": {"second": 60}},
    ],
)
@pytest.mark.parametrize("path", ["client_secrets", "translations/client_secrets"])
async def test_a_bound_that_is_misspelt_is_refused(served: Served, path: str, wish: dict[str, Any]) -> None:
    session = TRANSLATION if path.startswith("translations") else {}
    status, answer = await post(served, f"/v1/realtime/{path}", ANNA, {**session, **wish})
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize("kind", ["realtime", "transcription", "translation"])
async def test_null_is_a_bound_that_is_left_out(served: Served, kind: str) -> None:
    plain = (await ask_secret(served, ANNA, kind))[1]["antiphon"]
    assert (await ask_secret(served, ANNA, kind, **dict.fromkeys(plain)))[1]["antiphon"] == plain
    assert (await ask_secret(served, ANNA, kind, **plain))[1]["antiphon"] == plain, "what the answer shows is taken"
    path = "translations/client_secrets" if kind == "translation" else "client_secrets"
    body = {**(TRANSLATION if kind == "translation" else {}), "antiphon": None, "expires_after": None}
    assert (await post(served, f"/v1/realtime/{path}", ANNA, body))[1]["antiphon"] == plain


@pytest.mark.parametrize("name", ["audio", "include", "noise_reduction", "transcription", "turn_detection"])
async def test_what_a_transcription_session_has_can_be_locked(served: Served, name: str) -> None:
    status, answer = await ask_secret(served, ANNA, "transcription", locked=[name])
    assert (status, answer["antiphon"]["locked"]) == (200, [name])


async def test_the_answer_says_what_the_secret_may_do(served: Served) -> None:
    bounds = {"uses": 1, "origins": ["https://app.example"], "locked": ["tools"], "max_sessions": 3}
    assert (await ask_secret(served, ANNA, **bounds))[1]["antiphon"] == bounds
    plain = {"uses": None, "origins": None, "locked": [], "max_sessions": 2}
    assert (await post(served, "/v1/realtime/client_secrets", ANNA, {}))[1]["antiphon"] == plain


async def test_a_secret_ends_with_its_key(tmp_path: Path) -> None:
    async with serving(tmp_path, api_keys=(ANNA, BELA)) as served:
        of_anna, of_bela = await secret(served, ANNA), await secret(served, BELA)
    async with serving(tmp_path, api_keys=(BELA,)) as served:
        async with session(served, of_bela):
            pass
        assert (await refused(served, of_anna))[0] == 401
    async with serving(tmp_path) as served:
        of_nobody = await secret(served, "")
        assert (await refused(served, of_bela))[0] == 401
    async with serving(tmp_path, api_keys=(BELA,)) as served:
        assert (await refused(served, of_nobody))[0] == 401


# -- dubbing ---------------------------------------------------------------------------------------------------------
async def test_another_key_that_says_the_same_stream_has_one_of_its_own(tmp_path: Path) -> None:
    async with (
        dubbing(tmp_path, api_keys=(ANNA, BELA), dubbing_artifacts="metadata") as door,
        worker(door.url, stream_id="match-1", auth={"token": ANNA}) as anna,
        worker(door.url, stream_id="match-1", auth={"token": BELA}) as bela,
    ):
        with door.stt.held():
            ready = await anna.begin()
            await anna.offer(0, "of-anna")
            await eventually(lambda: door.stt.waiting == 1)
            assert (await bela.begin())["session_id"] != ready["session_id"]
            await bela.offer(0, "of-bela")
        assert (await anna.result("of-anna"))["sequence_number"] == 0
        assert (await bela.result("of-bela"))["sequence_number"] == 0
        await anna.offer(1, "more-of-anna")
        await anna.result("more-of-anna")
        await anna.silent()
        await bela.silent()
        await eventually(lambda: len(list(tmp_path.rglob("metadata.json"))) == 3)  # they are written meanwhile
        found = {path.parent.name: path.parent.parent.parent.name for path in tmp_path.rglob("metadata.json")}
        assert found == {"of-anna": key_id(ANNA), "more-of-anna": key_id(ANNA), "of-bela": key_id(BELA)}


async def test_the_owner_of_a_stream_takes_it_up_and_another_key_begins_anew(tmp_path: Path) -> None:
    async with dubbing(tmp_path, api_keys=(ANNA, BELA)) as door:
        async with worker(door.url, stream_id="match-1", auth={"token": ANNA}) as anna:
            await anna.begin()
            await anna.offer(0, "once")
            await anna.result("once")
            await anna.vanish()
        async with worker(door.url, stream_id="match-1", auth={"token": BELA}) as bela:
            await bela.begin()
            await bela.offer(0, "once")  # it is not answered from what Anna has
            await bela.result("once")
        assert door.stt.calls == 2
        async with worker(door.url, stream_id="match-1", auth={"token": ANNA}) as back:
            await back.begin()
            await back.offer(1, "next")
            assert (await back.result("next"))["sequence_number"] == 1


async def test_a_key_leaves_places_for_the_workers_of_another(tmp_path: Path) -> None:
    async with dubbing(tmp_path, api_keys=(ANNA, BELA)) as door, AsyncExitStack() as opened:
        for _ in range(8):
            await opened.enter_async_context(worker(door.url, auth={"token": ANNA}))
        assert (await refusal(door.url, auth={"token": ANNA}))["data"]["code"] == "RATE_LIMIT"
        async with worker(door.url, auth={"token": BELA}) as bela:
            assert await bela.begin()


async def test_streams_that_one_key_has_lost_push_out_none_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("antiphon.doors.dubbing.registry._MOST_KEPT", 2)
    async with dubbing(tmp_path, api_keys=(ANNA, BELA), dubbing_mode="echo") as door:
        for key, stream_id in [(ANNA, "match-1"), *[(BELA, f"match-{number}") for number in range(4)]]:
            async with worker(door.url, stream_id=stream_id, auth={"token": key}) as one:
                await one.begin()
                await one.offer(0)
                await one.result()
                await one.vanish()
                await eventually(lambda: door.metric("ws_active_connections") == 0)
        for key, stream_id, remembers in ((ANNA, "match-1", True), (BELA, "match-0", False), (BELA, "match-3", True)):
            async with worker(door.url, stream_id=stream_id, auth={"token": key}) as back:
                await back.begin()
                await back.offer(int(remembers))
                assert (await back.result())["sequence_number"] == int(remembers)


async def test_metrics_name_no_stream_of_a_key_and_those_of_two_keys_are_apart(tmp_path: Path) -> None:
    def in_flight(door: Door) -> dict[str, float]:
        lines = door.served.process.services.metrics.render().decode().splitlines()
        found = [line.split() for line in lines if line.startswith("sts_fragments_in_flight{")]
        return {series: float(value) for series, value in found}

    async with (
        dubbing(tmp_path, api_keys=(ANNA, BELA)) as door,
        worker(door.url, stream_id="match-1", auth={"token": ANNA}) as anna,
    ):
        with door.stt.held():
            await anna.begin()
            await anna.offer(0)
            await anna.next("fragment:ack")
            before = in_flight(door)
            assert list(before.values()) == [1]
            async with worker(door.url, stream_id="match-1", auth={"token": BELA}) as bela:
                await bela.begin()
                assert sorted(in_flight(door).values()) == [0, 1]
                shown = await get(door.served, "/metrics", BELA)
                assert "match-1" not in shown
                assert key_id(ANNA) not in shown
                await bela.end()
            await eventually(lambda: len(in_flight(door)) == 1)
            assert in_flight(door) == before


# -- all of it at random ---------------------------------------------------------------------------------------------
async def test_in_2000_random_operations_neither_key_sees_or_disturbs_the_other(tmp_path: Path) -> None:
    keys = {"anna": ANNA, "bela": BELA}
    settings = {"api_keys": tuple(keys.values()), "limit_requests_per_min": 1_000, "dubbing_mode": "echo"}
    async with serving(tmp_path, stub_llm_words=2, **settings) as served:
        bearers = [Bearer(name, key) for name, key in keys.items()]
        world = World(served.process.app, tmp_path / "artifacts", random.Random(17), keys, bearers)
        operations = [world.issue, world.begin, world.begin, world.lose, world.resume, world.resume, world.resume]
        operations += [world.say] * 5 + [world.answer, world.dub, world.leave, world.fragment, world.fragment]
        operations += [world.scrape, world.browse]
        for _ in range(2_000):
            operation = world.dice.choice(operations)
            await operation()
            world.done[operation.__name__] += 1
            world.check()
        assert world.done["kept out"] > 100
        assert min(world.done.values()) > 20
