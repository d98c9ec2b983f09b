"""Dubbing over a fleet whose processes are killed: every fragment once, in order."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator

import pytest

from tests.dubbing import QUICK, Worker, worker
from tests.fleet import Fleet, Member, fleet

FRAGMENTS = 100
SLOW = {**QUICK, "stub_stt_ms": 100, "stub_tts_ms": 50, "stt_workers": 2, "dub_workers": 4}
ROLES = ("transcribe", "translate", "speak", "dub")
QUEUES = (("transcribe", "stt-workers"), ("speak", "tts-workers"), ("dub", "dub-workers"))


class Stand:
    """Two gateways and three workers that are there at the beginning of every test."""

    def __init__(self, made: Fleet) -> None:
        self.fleet = made
        self.gateways = [made.gateway(), made.gateway()]
        self.workers = [made.worker(*ROLES) for _ in range(3)]
        assert all(one.url for one in (*self.gateways, *self.workers))

    def replace(self, member: Member) -> None:
        """Kill a worker that has work in its hands, and start another."""
        member.kill()
        self.workers = [one for one in self.workers if one is not member] + [self.fleet.worker(*ROLES)]


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with fleet(**SLOW) as made:
        yield Stand(made)


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


def kill_who_is_at_work(stand: Stand) -> None:
    """Kill a worker with a job of each queue in its hands, one after the other."""
    for queue, group in QUEUES:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with contextlib.suppress(ValueError):  # nobody has one at this moment
                stand.replace(stand.fleet.holder(queue, group))
                break
        else:
            raise AssertionError(f"nobody was at work on {queue}")


async def test_fragments_of_workers_that_are_killed_are_done_by_others(stand: Stand) -> None:
    async with worker(stand.gateways[0].url) as one:
        await one.begin(timeout_ms=20_000)
        killing = asyncio.create_task(asyncio.to_thread(kill_who_is_at_work, stand))
        done: dict[int, str] = {}
        await dub(one, list(range(FRAGMENTS)), done)
        assert killing.done(), "all were killed while there was work"
        await killing
        assert list(done) == list(range(FRAGMENTS)), "in order"
        assert set(done.values()) == {"success"}
        assert not one.of("error")
        complete = await one.end()
        assert (complete["total_fragments"], complete["success_count"]) == (FRAGMENTS, FRAGMENTS)


async def test_a_stream_that_is_taken_up_elsewhere_is_let_go(stand: Stand) -> None:
    async with worker(stand.gateways[0].url, stream_id="same") as one:
        await one.begin()
        async with worker(stand.gateways[1].url, stream_id="same") as other:
            await other.begin()
            await one.ended()
            assert not other.gone.is_set()


async def test_a_stream_goes_on_at_another_gateway_when_its_own_is_killed(stand: Stand) -> None:
    done: dict[int, str] = {}
    async with worker(stand.gateways[0].url, stream_id="match") as one:
        await one.begin(timeout_ms=20_000)
        await dub(one, list(range(20)), done)
        for number in range(20, 26):
            await one.offer(number)
        await note(one, done)
        with contextlib.ExitStack() as asleep:
            for member in stand.workers:
                asleep.enter_context(member.asleep())
            await one.offer(26)
            await one.offer(27)
            stand.gateways[0].kill()
            await one.ended()
        for result in one.of("fragment:processed"):
            done.setdefault(result["sequence_number"], result["status"])
    unacknowledged = [number for number in range(28) if number not in done]
    assert {26, 27} <= {*unacknowledged}
    async with worker(stand.gateways[1].url, stream_id="match") as other:
        await other.begin(timeout_ms=20_000)
        await dub(other, [*unacknowledged, *range(28, 40)], done)
        assert list(done) == list(range(40)), "in order, each once"
        assert set(done.values()) == {"success"}
        assert not other.of("error"), "the other gateway knows where the stream was"
        await other.end()
