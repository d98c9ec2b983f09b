"""The realtime door: admission, new and resumed sessions, its endless tasks, and the rows that it records."""

from __future__ import annotations

import asyncio
import json

import pytest
from structlog.testing import capture_logs

from antiphon.clock import VirtualClock
from antiphon.wire.realtime_server import TAKEN_OVER
from tests.unit.doors.realtime.door_stage import BUSY, KEYS, Client, Stage, running
from tests.virtual_time import on_virtual_time


# -- admission -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("query", "headers", "status", "param"), [
    ("", {"authorization": "Bearer wrong"}, 401, None),
    ("call_id=rtc_1", {}, 400, "call_id"),
    ("model=m&call_id=rtc_1", {}, 400, "call_id"),
    ("intent=dictation", {}, 400, "intent"),
    ("session_id=sess_1&intent=x", {}, 400, "intent"),
    ("session_id=sess_1", {}, 404, None),
    ("session_id=", {}, 404, None),
    ("session_id=no%20id", {}, 404, None),
])  # fmt: skip
async def test_a_handshake_is_refused_with_an_http_response(
    query: str, headers: dict[str, str], status: int, param: str | None
) -> None:
    stage = Stage()
    told, error = await Client(stage.door, query, headers).refusal()
    assert (told, error["param"]) == (status, param)
    assert len(stage.sessions) == 0


async def test_a_new_session_needs_room_in_the_shared_store() -> None:
    stage = Stage(has_room=lambda: False)
    status, _ = await Client(stage.door, "", {}).refusal()
    assert status == 503


@pytest.mark.parametrize(("query", "kind", "model"), [
    ("", "realtime", "gpt-realtime"),
    ("model=", "realtime", "gpt-realtime"),
    ("model=a&model=b", "realtime", "a"),
    ("intent=transcription", "transcription", None),
    ("model=m&intent=transcription", "transcription", None),
    ("intent=transcription&model=&intent=transcription", "transcription", None),
    ("intent=conversation", "realtime", "gpt-realtime"),
    ("model=%22%C3%A9%00", "realtime", '"é\0'),
])  # fmt: skip
async def test_the_url_chooses_the_session(query: str, kind: str, model: str | None) -> None:
    async with Stage().client(query) as client:
        session = (await client.event("session.created"))["session"]
        assert (session["type"], session.get("model")) == (kind, model)
        other = "realtime" if kind == "transcription" else "transcription"
        client.says(text=json.dumps({"type": "session.update", "event_id": "other", "session": {"type": other}}))
        error = (await client.event("error"))["error"]
        assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", "session.type", "other")


@pytest.mark.parametrize(("query", "model"), [
    ("intent=transcription&model=gpt-4o-transcribe", "gpt-4o-transcribe"),
    ("model=gpt-4o-transcribe&intent=transcription", "gpt-4o-transcribe"),
    ("intent=transcription&model=", "whisper-1"),
    ("intent=transcription", "whisper-1"),
])  # fmt: skip
async def test_the_model_of_a_transcription_session_transcribes(query: str, model: str) -> None:
    async with Stage().client(query) as client:
        session = (await client.event("session.created"))["session"]
        assert session["audio"]["input"]["transcription"]["model"] == model


@pytest.mark.parametrize("header", ["realtime=v1", "assistants=v2, realtime=v1"])
async def test_the_beta_interface_is_refused_with_an_error_and_close_code_4000(header: str) -> None:
    stage = Stage()
    client = Client(stage.door, "model=m", {"openai-beta": header})
    assert await client.close_code() == 4000
    assert [event["error"]["code"] for event in client.events()] == ["beta_api_shape_disabled"]
    assert len(stage.sessions) == 0


async def test_other_beta_headers_are_ignored() -> None:
    async with Stage().client(**{"openai-beta": "assistants=v2"}) as client:
        await client.event("session.created")


async def test_a_secret_that_was_made_for_another_door_is_refused_by_its_session() -> None:
    stage = Stage()
    secret = stage.secrets.issue(
        b'{"type": "translation"}', "default", 60, stage.clock.wall(), issuer="", kind="translation"
    )
    status, error = await Client(stage.door, "", {"authorization": f"Bearer {secret.value}"}).refusal()
    assert (status, error["param"]) == (400, "session")


# -- resuming --------------------------------------------------------------------------------------------------------
async def test_a_lost_session_is_resumed_behind_its_cursor() -> None:
    stage = Stage()
    session_id, _, cursor = await stage.saved()
    async with stage.client(f"session_id={session_id}&after={cursor}") as client:
        await client.event("antiphon.session.resumed")
        created, _ = client.events()
        assert created["session"]["id"] == session_id
        assert created["session"]["instructions"] == BUSY["session"]["instructions"]


async def test_another_keys_session_is_refused_as_an_unknown_one_is() -> None:
    stage = Stage()
    session_id, token, cursor = await stage.saved()
    stranger = {"authorization": f"Bearer {KEYS[1]}", "x-antiphon-resume-token": token}
    status, error = await Client(stage.door, f"session_id={session_id}", stranger).refusal()
    _, unknown = await Client(stage.door, "session_id=sess_0", {}).refusal()
    assert (status, error["code"]) == (404, "session_not_found")
    assert error["message"].replace(session_id, "sess_0") == unknown["message"]
    async with stage.client(f"session_id={session_id}&after={cursor}") as client:
        await client.event("antiphon.session.resumed")


async def test_a_cursor_of_another_session_is_refused_and_the_session_stays() -> None:
    stage = Stage()
    (session_id, _, _), (_, _, other) = await stage.saved(), await stage.saved()
    status, error = await Client(stage.door, f"session_id={session_id}&after={other}", {}).refusal()
    assert (status, error["param"]) == (400, "after")
    async with stage.client(f"session_id={session_id}") as client:
        await client.event("antiphon.session.resumed")


async def test_a_session_that_a_client_closes_is_over() -> None:
    stage = Stage()
    client = Client(stage.door, "", {})
    await client.event("session.created")
    client.leaves(code=1000)
    await client.serving
    assert len(stage.sessions) == 0


async def test_without_resumption_there_is_no_token_and_nothing_is_saved() -> None:
    stage = Stage(resumes=False)
    async with stage.client() as client:
        assert "antiphon" not in await client.event("session.created")
    assert len(stage.sessions) == 0


# -- endless tasks ---------------------------------------------------------------------------------------------------
@on_virtual_time
async def test_heartbeats_keep_an_idle_session_alive(clock: VirtualClock) -> None:
    stage = Stage(clock)
    async with running(stage.door.keep_alive), stage.client() as client:
        created = await client.event("session.created")
        await asyncio.sleep(1000)
        found = await stage.sessions.find("default", created["session"]["id"])
        assert found is not None
        assert found.status == "connected"


@on_virtual_time
async def test_a_failed_heartbeat_is_logged_and_the_session_continues(clock: VirtualClock) -> None:
    stage = Stage(clock)
    async with running(stage.door.keep_alive), stage.client() as client:
        session_id = (await client.event("session.created"))["session"]["id"]
        stage.sessions.is_away = True
        with capture_logs() as logs:
            await asyncio.sleep(11)
        assert [(log["event"], log["session_id"]) for log in logs] == [("session heartbeat failed", session_id)]
        client.says(text=json.dumps(BUSY))
        await client.event("session.updated")


@on_virtual_time
async def test_the_connection_of_a_session_that_was_resumed_elsewhere_is_closed(clock: VirtualClock) -> None:
    for task in ("watch_taken", "keep_alive"):
        stage = Stage(clock)
        elsewhere, client = Stage(clock, sessions=stage.sessions), Client(stage.door, "", {})
        async with running(getattr(stage.door, task)):
            client.says(text=json.dumps(BUSY))
            cursor = (await client.event("session.updated"))["event_id"]
            session_id = client.events()[0]["session"]["id"]
            async with elsewhere.client(f"session_id={session_id}&after={cursor}") as resumed:
                await resumed.event("antiphon.session.resumed")
                assert await client.close_code() == TAKEN_OVER


@on_virtual_time
async def test_sessions_that_are_not_resumed_in_time_are_swept(clock: VirtualClock) -> None:
    stage = Stage(clock)
    session_id, _, _ = await stage.saved()
    async with running(stage.door.sweep):
        with capture_logs() as logs:
            await asyncio.sleep(1000)
    assert len(stage.sessions) == 0
    (log,) = (log for log in logs if log["event"] == "session closed")
    assert (log["session_id"], log["reason"]) == (session_id, "not resumed in time")


@on_virtual_time
async def test_sessions_are_told_which_components_fail(clock: VirtualClock) -> None:
    stage, redis = Stage(clock), [True]
    async with running(lambda: stage.door.watch_components(lambda: {"redis": redis[0]})), stage.client() as client:
        wish = {"type": "realtime", "include": ["antiphon.degraded"]}
        client.says(text=json.dumps({"type": "session.update", "session": wish}))
        await client.event("session.updated")
        redis[0] = False
        assert (await client.event("antiphon.degraded"))["leg"] == "redis"
        redis[0] = True
        assert (await client.event("antiphon.recovered"))["leg"] == "redis"


# -- rows and ends -----------------------------------------------------------------------------------------------------
async def test_a_connection_is_recorded_when_it_opens_and_when_it_ends() -> None:
    stage = Stage()
    client = Client(stage.door, "model=m", {})
    session_id = (await client.event("session.created"))["session"]["id"]
    (opened,) = stage.rows
    assert (opened.session_id, opened.tenant, opened.kind, opened.model) == (session_id, "default", "realtime", "m")
    assert (opened.status, opened.created_at, opened.closed_at) == ("connected", stage.clock.wall(), None)
    assert opened.key_id.startswith("key_")
    assert opened.conversation_id.startswith("conv_")
    client.says(text=json.dumps(BUSY))
    await client.event("session.updated")
    stage.clock.advance(5)
    client.leaves(code=1000)
    await client.serving
    _, ended = stage.rows
    assert (ended.status, ended.created_at, ended.closed_at) == ("disconnected", opened.created_at, stage.clock.wall())
    assert json.loads(ended.config)["instructions"] == "Be brief."
    assert ended.revision > opened.revision
    assert [(used.metric, used.amount) for unit in stage.units for used in unit.usage] == [("connection_s", 5.0)]


async def test_a_lost_session_is_recorded_as_not_closed_and_its_resumption_under_a_newer_revision() -> None:
    stage = Stage()
    session_id, _, cursor = await stage.saved()
    assert [(row.status, row.closed_at) for row in stage.rows] == [("connected", None), ("disconnected", None)]
    async with stage.client(f"session_id={session_id}&after={cursor}") as client:
        await client.event("antiphon.session.resumed")
    assert {row.session_id for row in stage.rows} == {session_id}
    revisions = [row.revision for row in stage.rows]
    assert revisions == sorted(set(revisions))
    assert len({row.conversation_id for row in stage.rows}) == 1


@pytest.mark.parametrize(("query", "headers"), [
    ("", {"authorization": "Bearer wrong"}), ("intent=dictation", {}), ("session_id=sess_1", {}),
    ("", {"openai-beta": "realtime=v1"}),
])  # fmt: skip
async def test_a_refused_handshake_is_not_recorded(query: str, headers: dict[str, str]) -> None:
    stage = Stage()
    await Client(stage.door, query, headers).serving
    assert stage.units == []


async def test_a_session_that_ends_with_its_process_is_recorded_as_closed() -> None:
    stage = Stage()
    session_id, _, _ = await stage.saved()
    await stage.door.close()
    *_, closed = stage.rows
    assert (closed.session_id, closed.status) == (session_id, "disconnected")
    assert closed.closed_at is not None
    assert closed.revision == max(row.revision for row in stage.rows)


@on_virtual_time
async def test_a_session_that_is_swept_is_recorded_as_expired(clock: VirtualClock) -> None:
    stage = Stage(clock)
    session_id, _, _ = await stage.saved()
    async with running(stage.door.sweep):
        await asyncio.sleep(1000)
    *former, expired = stage.rows
    assert (expired.session_id, expired.status) == (session_id, "expired")
    assert expired.closed_at is not None
    assert json.loads(expired.config)["instructions"] == "Be brief."
    assert expired.revision > max(row.revision for row in former)


@pytest.mark.parametrize("task", ["watch_taken", "keep_alive"])
def test_a_session_that_is_ended_from_outside_loses_its_connection_and_cannot_be_resumed(task: str) -> None:
    @on_virtual_time
    async def scenario(clock: VirtualClock) -> None:
        stage = Stage(clock)
        client = Client(stage.door, "", {})
        async with running(getattr(stage.door, task)):
            client.says(text=json.dumps(BUSY))
            await client.event("session.updated")
            session_id = client.events()[0]["session"]["id"]
            ended = await stage.door.stop("default", session_id)
            assert ended is not None
            assert await client.close_code() == TAKEN_OVER == 4409
        newest = max(stage.rows, key=lambda row: row.revision)
        assert (newest, newest.status) == (ended, "disconnected")
        assert newest.closed_at is not None
        assert json.loads(newest.config)["instructions"] == "Be brief."
        token = client.events()[0]["antiphon"]["resume_token"]
        for query in (f"session_id={session_id}", f"session_id={session_id}&resume_token={token}&after=event_1"):
            status, error = await Client(stage.door, query, {}).refusal()
            assert (status, error["code"]) == (404, "session_not_found")
        assert await stage.door.stop("default", session_id) is None

    scenario()


async def test_the_jobs_of_a_session_that_is_ended_are_cancelled() -> None:
    stage = Stage()
    async with stage.client() as client:
        session_id = (await client.event("session.created"))["session"]["id"]
        client.says(text=json.dumps(BUSY))
        client.says(text=json.dumps({"type": "response.create"}))
        await client.event("response.created")
        async with asyncio.timeout(20):
            lease = await anext(stage.bus.claim("respond", "worker"))
            await stage.door.stop("default", session_id)
            await stage.bus.cancelled(lease.job.id, "respond")


async def test_an_unknown_session_and_one_of_another_tenant_cannot_be_ended() -> None:
    stage = Stage()
    session_id, _, _ = await stage.saved()
    before = list(stage.units)
    assert await stage.door.stop("other", session_id) is None
    assert await stage.door.stop("default", "sess_0") is None
    assert stage.units == before
    async with stage.client(f"session_id={session_id}") as client:
        await client.event("antiphon.session.resumed")
