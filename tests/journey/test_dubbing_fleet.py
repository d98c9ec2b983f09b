"""Dubbing over a fleet whose processes are killed: every fragment once, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.dubbing import QUICK, Worker, worker
from tests.fleet import Fleet, Member, fleet

FRAGMENTS = 100
SLOW = {**QUICK, "stub_stt_ms": 60, "stub_tts_ms": 30, "stt_workers": 4, "dub_workers": 4}
ROLES = ("transcribe", "translate", "speak", "dub")


@pytest.fixture(scope="module")
def stand() -> Iterator[Fleet]:
    with fleet(**SLOW) as made:
        yield made


async def dub(one: Worker, numbers: list[int], done: dict[int, str], window: int = 8) -> None:
    """Send fragments, at most ``window`` ahead of their results; note how each came out."""
    in_flight = 0
    for number in numbers:
        await one.offer(number)
        in_flight += 1
        while in_flight >= window:
            await note(one, done)
            in_flight -= 1
    for _ in range(in_flight):
        await note(one, done)


async def note(one: Worker, done: dict[int, str]) -> None:
    result = await one.next("fragment:processed", within_s=30)
    assert result["sequence_number"] not in done, "each once"
    done[result["sequence_number"]] = result["status"]


async def test_fragments_of_workers_that_are_killed_are_done_by_others(stand: Fleet) -> None:
    gateway = stand.gateway()
    workers = [stand.worker(*ROLES), stand.worker(*ROLES)]
    assert all(one.url for one in (gateway, *workers))

    async def kill() -> None:
        for _ in range(3):
            await asyncio.sleep(0.6)
            victim = workers.pop(0)
            victim.kill()
            workers.append(stand.worker(*ROLES))
            await asyncio.to_thread(lambda: workers[-1].url)

    async with worker(gateway.url) as one:
        await one.begin(timeout_ms=20_000)
        killing = asyncio.create_task(kill())
        done: dict[int, str] = {}
        await dub(one, list(range(FRAGMENTS)), done)
        await killing
        assert list(done) == list(range(FRAGMENTS)), "in order"
        assert set(done.values()) == {"success"}
        assert not one.of("error")
        complete = await one.end()
        assert (complete["total_fragments"], complete["success_count"]) == (FRAGMENTS, FRAGMENTS)
    for member in (gateway, *workers):
        member.kill()


async def test_a_stream_goes_on_at_another_gateway_when_its_own_is_killed(stand: Fleet) -> None:
    helper = stand.worker(*ROLES)
    gateways = [stand.gateway(), stand.gateway()]
    assert all(one.url for one in (helper, *gateways))
    done: dict[int, str] = {}
    async with worker(gateways[0].url, stream_id="match") as one:
        await one.begin(timeout_ms=20_000)
        await dub(one, list(range(20)), done)
        for number in range(20, 26):
            await one.offer(number)
        await note(one, done)
        gateways[0].kill()
        await one.ended()
        for result in one.of("fragment:processed"):
            done.setdefault(result["sequence_number"], result["status"])
    unacknowledged = [number for number in range(26) if number not in done]
    assert unacknowledged
    async with worker(gateways[1].url, stream_id="match") as other:
        await other.begin(timeout_ms=20_000)
        await dub(other, [*unacknowledged, *range(26, 40)], done)
        assert list(done) == list(range(40)), "in order, each once"
        assert set(done.values()) == {"success"}
        assert not other.of("error"), "the other gateway knows where the stream was"
        await other.end()
    await stopped(gateways[1], helper)


async def test_a_stream_that_is_taken_up_elsewhere_is_let_go(stand: Fleet) -> None:
    gateways = [stand.gateway(), stand.gateway()]
    assert all(one.url for one in gateways)
    async with worker(gateways[0].url, stream_id="same") as one:
        await one.begin()
        async with worker(gateways[1].url, stream_id="same") as other:
            await other.begin()
            await one.ended()
            assert not other.gone.is_set()
    await stopped(*gateways)


async def stopped(*members: Member) -> None:
    """They end in peace."""
    for member in members:
        assert await asyncio.to_thread(member.terminate) == 0
