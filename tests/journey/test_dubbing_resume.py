"""Streams whose connection is lost, taken up by another connection, or begun anew."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.dubbing import Door, Worker, dubbing, eventually, raw, sound, worker

pytestmark = pytest.mark.asyncio(loop_scope="module")

GAP_MS = 250
CONNECTIONS = 'active_connections{door="dubbing"}'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    async with dubbing(tmp_path_factory.mktemp("resume"), dubbing_gap_timeout_ms=GAP_MS) as running:
        yield running


@contextlib.asynccontextmanager
async def lost(door: Door, delivered: int = 3, in_flight: int = 0) -> AsyncIterator[Worker]:
    """Lose a stream that was so far, and connect anew; what was in flight is still being worked on."""
    with door.stt.held() if in_flight else contextlib.nullcontext():
        async with worker(door.url) as before:
            ready = await before.begin()
            if in_flight:
                await before.accepted(*range(in_flight))
            else:
                for number in range(delivered):
                    await before.offer(number)
                    await before.result()
            await before.vanish()
        async with worker(door.url, stream_id=before.stream_id) as after:
            assert (await after.begin())["session_id"] != ready["session_id"]
            yield after


async def test_a_lost_stream_goes_on_at_the_next_number(door: Door) -> None:
    async with lost(door) as one:
        await one.offer(3)
        await one.offer(4)
        assert [(await one.result())["sequence_number"] for _ in range(2)] == [3, 4]
        assert not one.of("error")
        assert (await one.end())["total_fragments"] == 2, "of this session"


async def test_a_lost_stream_may_restart_at_nought(door: Door) -> None:
    async with lost(door) as one:
        await one.offer(0, "new")
        await one.offer(1, "newer")
        assert [(await one.result())["fragment_id"] for _ in range(2)] == ["new", "newer"]
        assert not one.of("error")


async def test_what_was_answered_is_answered_again_under_its_new_number(door: Door) -> None:
    async with lost(door) as one:
        calls = door.stt.calls
        await one.offer(0, one.name(2))
        result = await one.result()
        assert (result["fragment_id"], result["sequence_number"]) == (one.name(2), 0)
        assert (result["status"], result["transcript"]) == ("success", "hello")
        assert result["dubbed_audio"]["data_base64"]
        assert door.stt.calls == calls, "from the store"
        await one.offer(1, "new")
        assert (await one.result("new"))["sequence_number"] == 1


async def test_an_answer_that_was_missed_is_sent_again_without_a_change_of_order(door: Door) -> None:
    async with lost(door) as one:
        calls = door.stt.calls
        await one.offer(2)
        assert (await one.result(one.name(2)))["sequence_number"] == 2
        assert door.stt.calls == calls
        await one.offer(3)
        assert (await one.result(one.name(3)))["status"] == "success"


async def test_what_was_in_flight_is_not_done_twice(door: Door) -> None:
    calls = door.stt.calls
    async with lost(door, in_flight=3) as one:
        for number in range(3):
            await one.offer(number)
            assert (await one.next("fragment:ack"))["status"] == "processing"
        await eventually(lambda: door.stt.waiting > 0)
        door.stt.let_go()
        assert [(await one.result())["sequence_number"] for _ in range(3)] == [0, 1, 2]
        await one.offer(3)
        await one.result(one.name(3))
        assert not one.of("error")
    assert door.stt.calls - calls == 4


async def test_what_was_finished_while_nobody_was_there_is_in_the_store(door: Door) -> None:
    async with worker(door.url) as before:
        await before.begin()
        with door.stt.held():
            await before.accepted(0)
            await before.vanish()
    async with worker(door.url) as other:  # whose fragment stands behind it in the queue
        await other.begin()
        await other.offer(0)
        await other.result()
    calls = door.stt.calls
    async with worker(door.url, stream_id=before.stream_id) as after:
        await after.begin()
        await after.offer(0)
        assert (await after.result(after.name(0)))["status"] == "success"
    assert door.stt.calls == calls


async def test_a_stream_that_ended_before_it_was_lost_begins_anew(door: Door) -> None:
    async with worker(door.url) as before:
        await before.begin()
        await before.offer(0)
        await before.result()
        await before.end()
    async with worker(door.url, stream_id=before.stream_id) as after:
        await after.begin()
        await after.offer(1)
        assert (await after.next("error"))["details"] == {"expected": 0, "received": 1}


async def test_when_the_window_has_passed_the_stream_is_forgotten(tmp_path: Path) -> None:
    async with dubbing(tmp_path, dubbing_gap_timeout_ms=GAP_MS, dubbing_resume_s=0.1) as short:
        async with worker(short.url) as before:
            await before.begin()
            await before.offer(0)
            await before.result()
            series = f'sts_fragments_in_flight{{stream_id="{before.stream_id}"}}'
            assert short.metric(series) == 0
        await eventually(lambda: short.metric(series) is None)
        async with worker(short.url, stream_id=before.stream_id) as after:
            await after.begin()
            await after.offer(1)
            assert (await after.next("error"))["details"] == {"expected": 0, "received": 1}


async def test_of_too_many_lost_streams_the_one_that_was_lost_first_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("antiphon.doors.dubbing.registry._MOST_KEPT", 2)
    series: list[str] = []
    async with dubbing(tmp_path) as door:
        for _ in range(3):
            async with worker(door.url) as one:
                await one.begin()
                await one.offer(0)
                await one.result()
                series.append(f'sts_fragments_in_flight{{stream_id="{one.stream_id}"}}')
            await eventually(lambda: door.metric(CONNECTIONS) == 0)
        assert [door.metric(name) for name in series] == [None, 0, 0]


# -- two connections, one stream ----------------------------------------------------------------------
async def test_the_second_connection_takes_the_stream_over(door: Door) -> None:
    async with worker(door.url) as first, worker(door.url, stream_id=first.stream_id) as second:
        ready = await first.begin()
        await first.offer(0)
        await first.result()
        assert (await second.begin())["session_id"] != ready["session_id"]
        await first.ended()
        await second.offer(1)
        assert (await second.result())["sequence_number"] == 1
        assert door.metric("sts_sessions_active") == 1
        assert len(first.of("fragment:processed")) == 1


async def test_a_stream_is_taken_over_with_what_is_in_flight(door: Door) -> None:
    async with worker(door.url) as first, worker(door.url, stream_id=first.stream_id) as second:
        await first.begin()
        with door.stt.held():
            await first.accepted(0, 1)
            await second.begin()
            await first.ended()
            await second.offer(0)
            assert (await second.next("fragment:ack"))["status"] == "processing"
        await second.result(second.name(0))
        await second.offer(1)
        await second.result(second.name(1))
        assert not first.of("fragment:processed")
        assert not second.of("error")


# -- a second init on one connection ----------------------------------------------------------------------
async def test_a_second_init_replaces_the_session_when_nothing_is_in_flight(door: Door) -> None:
    async with worker(door.url) as one:
        first = await one.begin()
        await one.offer(0)
        await one.result()
        second = await one.begin({"format": "m4a"}, max_inflight=7)
        assert (second["session_id"] != first["session_id"], second["max_inflight"]) == (True, 7)
        await one.offer(0, "new")
        assert (await one.result("new"))["dubbed_audio"]["format"] == "m4a"
        assert (await one.end())["total_fragments"] == 1


async def test_a_second_init_is_refused_while_something_is_in_flight(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin()
        with door.stt.held():
            await one.accepted(0)
            await one.init()
            error = await one.error("INVALID_CONFIG")
            assert (error["stream_id"], error["retryable"]) == (one.stream_id, False)
            await one.init(stream_id="another")
            await one.error("INVALID_CONFIG")
        await one.result(one.name(0))
        await one.offer(1)
        assert (await one.result())["status"] == "success", "the first session goes on"


async def test_a_connection_may_turn_to_another_stream_and_back(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin()
        await one.offer(0)
        await one.result()
        other = f"{one.stream_id}-other"
        await one.begin(stream_id=other)
        await one.offer(0, "there", stream_id=other)
        assert (await one.result("there"))["stream_id"] == other
        await one.offer(1)
        await one.error("STREAM_NOT_FOUND")
        await one.begin()
        await one.offer(1)
        assert (await one.result())["sequence_number"] == 1, "where it was"


# -- connections that die silently ----------------------------------------------------------------------
async def test_a_worker_that_answers_no_ping_is_gone_and_its_stream_can_be_resumed(tmp_path: Path) -> None:
    async with dubbing(tmp_path, dubbing_ping_interval_s=0.5, dubbing_ping_timeout_s=1.0) as door:
        mute = Worker()
        async with raw(door.url) as socket:
            await socket.emit("stream:init", mute.init_payload())
            await socket.event()
            await socket.emit("fragment:data", mute.fragment(0))
            assert [(await socket.event())[0] for _ in range(2)] == ["fragment:ack", "fragment:processed"]
            await socket.ended()
        async with worker(door.url, stream_id=mute.stream_id) as one:
            await one.begin()
            await one.offer(1, audio=sound())
            assert (await one.result())["sequence_number"] == 1
            await eventually(lambda: door.metric(CONNECTIONS) == 1)


async def test_polling_alone_carries_a_stream_and_who_polls_no_more_is_gone(tmp_path: Path) -> None:
    settings = {"dubbing_ping_interval_s": 0.5, "dubbing_ping_timeout_s": 1.0, "dubbing_resume_s": 0}
    async with dubbing(tmp_path, **settings) as door:
        async with worker(door.url, transports=["polling"]) as one:
            assert one.transport == "polling"
            await one.begin()
            await one.offer(0)
            assert (await one.result())["status"] == "success"
        await eventually(lambda: door.metric(CONNECTIONS) == 0)
