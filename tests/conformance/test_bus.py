"""What every `Bus` promises of jobs, leases and cancel flags."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from antiphon.entities.chat import ChatMessage, ChatRequest, Tool, ToolCall
from antiphon.entities.history import Unit
from antiphon.entities.priority import LIVE, PATIENT, TOLERANT
from antiphon.errors import LeaseLost
from antiphon.wire.entries import JobFailed
from antiphon.wire.jobs import (
    Job,
    Queue,
    Record,
    Respond,
    Score,
    Speak,
    Transcribe,
    Translate,
    Work,
)
from tests.conformance.buses import ATTEMPTS, LEASE_S, WOKEN_S, AnyBus, claim, dead, job, never, quickest, soon, take

# -- jobs ----------------------------------------------------------------------------------------------------


async def test_a_submitted_job_is_claimed_as_it_was_with_attempt_one(calm: AnyBus) -> None:
    sent = job("a")
    await calm.submit(sent)
    lease = await claim(calm)
    assert lease.job == sent
    assert lease.job.attempt == 1


WORKS = [
    Transcribe(b"\x01\x02" * 100, 24_000, language="de", word_timestamps=True),
    Respond(
        ChatRequest(
            (
                ChatMessage("user", "hi", images=("data:,x",)),
                ChatMessage("assistant", tool_calls=(ToolCall("c", "f", "{}"),)),
                ChatMessage("tool", "42", call_id="c"),
            ),
            tools=(Tool("f", "does", {"type": "object", "properties": {"a": {"enum": [1, None, 2.5, "ü"]}}}),),
            tool_choice="function:f",
        ),
        speech_pipe="s",
    ),
    Speak("Grüße 🎉", voice="alloy", speed=1.5),
    Translate("hello", "de"),
    Score(b"\x00\x00", 16_000),
]


@pytest.mark.parametrize("work", WORKS, ids=lambda work: type(work).__name__)
async def test_every_kind_of_work_arrives_unchanged(calm: AnyBus, work: Any) -> None:
    sent = Job(
        "w", "speak", work, "o", input="i", tenant="t", key_id="k", correlation_id="c", deadline_s=1.5, priority=-1
    )
    await calm.submit(sent)
    assert (await claim(calm)).job == sent


async def test_a_waiting_worker_is_woken_by_a_job(calm: AnyBus) -> None:
    async def measure(number: int) -> float:
        claimed = asyncio.ensure_future(claim(calm))
        await asyncio.sleep(0.02)
        started = time.monotonic()
        await calm.submit(job(str(number)))
        assert (await claimed).job.id == str(number)
        return time.monotonic() - started

    assert await quickest(measure) < WOKEN_S


async def test_higher_priority_goes_first_then_the_older_job(calm: AnyBus) -> None:
    for name, priority in (("a", 0), ("b", -1), ("c", 5), ("d", 0), ("e", 5)):
        await calm.submit(job(name, priority=priority))
    claims = calm.claim("speak", "worker")
    assert [(await soon(anext(claims))).job.id for _ in range(5)] == ["c", "e", "a", "d", "b"]


async def test_patient_jobs_are_left_to_those_who_ask_for_them(calm: AnyBus) -> None:
    for name, priority in (("a", PATIENT), ("b", TOLERANT), ("c", PATIENT), ("d", LIVE)):
        await calm.submit(job(name, priority=priority))
    prompt, patient = calm.claim("speak", "w1", "prompt"), calm.claim("speak", "w2", "patient")
    assert [(await soon(anext(prompt))).job.id for _ in range(2)] == ["d", "b"]
    await never(anext(prompt))
    assert [(await soon(anext(patient))).job.id for _ in range(2)] == ["a", "c"]
    await never(anext(patient))


async def test_who_asks_for_all_jobs_gets_the_patient_ones_last(calm: AnyBus) -> None:
    for name, priority in (("a", PATIENT), ("b", TOLERANT), ("c", LIVE)):
        await calm.submit(job(name, priority=priority))
    claims = calm.claim("speak", "worker")
    assert [(await soon(anext(claims))).job.id for _ in range(3)] == ["c", "b", "a"]


async def test_a_job_wakes_those_who_take_its_share(calm: AnyBus) -> None:
    patient = asyncio.ensure_future(anext(calm.claim("speak", "w1", "patient")))
    prompt = asyncio.ensure_future(anext(calm.claim("speak", "w2", "prompt")))
    await asyncio.sleep(0.02)
    await calm.submit(job("a"))
    assert (await soon(prompt)).job.id == "a"
    await calm.submit(job("b", priority=PATIENT))
    assert (await soon(patient)).job.id == "b"


async def test_a_patient_job_that_comes_back_stays_one(bus: AnyBus) -> None:
    await bus.submit(job("a", priority=PATIENT))
    patient = bus.claim("speak", "w1", "patient")
    await (await soon(anext(patient))).release("busy")
    await never(anext(bus.claim("speak", "w2", "prompt")))
    lost = await soon(anext(patient))
    assert (lost.job.id, lost.job.attempt) == ("a", 2)
    again = await soon(anext(patient))
    assert (again.job.id, again.job.attempt) == ("a", 3), "its lease has run out"


async def test_a_job_goes_to_its_own_queue_only(calm: AnyBus) -> None:
    await calm.submit(job("a"))
    await never(anext(calm.claim("respond", "worker")))
    assert (await claim(calm)).job.id == "a"


async def test_the_same_job_submitted_again_is_delivered_once(calm: AnyBus) -> None:
    await calm.submit(job("a"))
    await calm.submit(job("a", text="another"))
    claims = calm.claim("speak", "worker")
    lease = await soon(anext(claims))
    assert lease.job.work == Speak("hello")
    await calm.submit(job("a"))
    await never(anext(claims))


async def test_many_consumers_share_the_jobs_each_exactly_once(calm: AnyBus) -> None:
    done: list[str] = []

    async def work(consumer: str) -> None:
        async for lease in calm.claim("speak", consumer):
            await asyncio.sleep(0)
            done.append(lease.job.id)
            await lease.acknowledge()

    workers = [asyncio.ensure_future(work(f"w{number}")) for number in range(8)]
    await asyncio.gather(*(calm.submit(job(f"j{number}")) for number in range(200)))
    async with asyncio.timeout(20):
        while len(done) < 200:
            await asyncio.sleep(0.005)
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    assert sorted(done) == sorted(f"j{number}" for number in range(200))


async def test_jobs_of_one_producer_keep_their_order_among_those_of_others(calm: AnyBus) -> None:
    async def produce(name: str) -> None:
        for number in range(20):
            await calm.submit(job(f"{name}:{number:02}"))
            await asyncio.sleep(0)

    await asyncio.gather(*(produce(name) for name in "abc"))
    claims = calm.claim("speak", "worker")
    order = [(await soon(anext(claims))).job.id for _ in range(60)]
    for name in "abc":
        own = [job_id for job_id in order if job_id.startswith(name)]
        assert own == sorted(own)


async def test_a_worker_that_stops_waiting_takes_no_job_with_it(calm: AnyBus) -> None:
    impatient = asyncio.ensure_future(claim(calm, "impatient"))
    await asyncio.sleep(0.02)
    await calm.submit(job("a"))
    impatient.cancel()
    with suppress(asyncio.CancelledError):
        await (await impatient).release("too late to stop")
    assert (await claim(calm, "patient")).job.id == "a"


# -- leases --------------------------------------------------------------------------------------------------


async def test_a_job_whose_lease_runs_out_is_delivered_again(bus: AnyBus) -> None:
    await bus.submit(job("a"))
    started = time.monotonic()
    first = await claim(bus, "first")
    second = await claim(bus, "second")
    assert time.monotonic() - started >= LEASE_S * 0.8
    assert (second.job.id, second.job.attempt) == ("a", 2)
    with pytest.raises(LeaseLost):
        await first.renew()
    await second.renew()


async def test_a_renewed_lease_is_kept(bus: AnyBus) -> None:
    async def is_kept(name: str) -> bool | None:
        """Renew for two leases; None where the machine stood still for so long that it was lost."""
        await bus.submit(job(name))
        lease = await claim(bus)
        other = asyncio.ensure_future(anext(bus.claim("speak", "other")))
        begin = last = time.monotonic()
        gaps: list[float] = []
        while last - begin < LEASE_S * 2:
            await asyncio.sleep(LEASE_S / 4)
            with suppress(LeaseLost):
                await lease.renew()
            gaps.append(time.monotonic() - last)
            last += gaps[-1]
        kept = not other.done()
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)
        await lease.acknowledge()
        return None if max(gaps) > LEASE_S * 0.8 and not kept else kept

    for number in range(20):
        if (kept := await is_kept(str(number))) is not None:
            assert kept
            return
    pytest.fail("the machine stands still again and again")


async def test_an_acknowledged_job_is_never_delivered_again(bus: AnyBus) -> None:
    await bus.submit(job("a"))
    lease = await claim(bus)
    await lease.acknowledge()
    await lease.acknowledge()
    await never(anext(bus.claim("speak", "other")), LEASE_S * 1.5)
    with pytest.raises(LeaseLost):
        await lease.renew()


async def test_results_that_were_written_under_a_lost_lease_end_the_job_too(bus: AnyBus) -> None:
    await bus.submit(job("a"))
    slow = await claim(bus, "slow")
    second = await claim(bus, "second")
    await slow.acknowledge()
    with pytest.raises(LeaseLost):
        await second.renew()
    await never(anext(bus.claim("speak", "third")), LEASE_S * 1.5)


async def test_a_lost_lease_can_neither_release_nor_bury(bus: AnyBus) -> None:
    await bus.submit(job("a"))
    slow = await claim(bus, "slow")
    second = await claim(bus, "second")
    await slow.release("late")
    await slow.bury("late")
    await second.renew()
    assert await dead(bus) == []
    await second.acknowledge()
    await never(anext(bus.claim("speak", "third")))


async def test_a_released_job_comes_back_at_once_with_the_next_attempt(calm: AnyBus) -> None:
    await calm.submit(job("a"))
    await (await claim(calm)).release("busy")
    assert (await claim(calm)).job.attempt == 2


async def test_a_job_that_is_given_back_untouched_has_as_many_attempts_as_before(calm: AnyBus) -> None:
    await calm.submit(job("a"))
    for _ in range(ATTEMPTS + 2):
        lease = await claim(calm)
        assert lease.job.attempt == 1
        await lease.release("the worker was stopped", counts=False)
    for attempt in range(1, ATTEMPTS + 1):
        lease = await claim(calm)
        assert lease.job.attempt == attempt
        await lease.release("busy")
    (letter,) = await dead(calm)
    assert letter.reason == "busy"


async def test_rows_are_never_given_up_however_often_their_workers_are_lost(calm: AnyBus) -> None:
    rows = Job("a", "record", Record((Unit(),)), "out")
    await calm.submit(rows)
    for attempt in range(1, 3 * ATTEMPTS):
        lease = await anext(calm.claim("record", "w"))
        assert lease.job.attempt == attempt
        await lease.release("the worker was lost")
    assert (await anext(calm.claim("record", "w"))).job.work == rows.work
    assert await dead(calm) == []


async def test_a_released_job_keeps_its_age(calm: AnyBus) -> None:
    await calm.submit(job("a"))
    lease = await claim(calm)
    await calm.submit(job("b"))
    await lease.release("busy")
    assert (await claim(calm)).job.id == "a"


async def test_a_job_released_with_a_delay_comes_back_after_it(bus: AnyBus) -> None:
    await bus.submit(job("a"))
    lease = await claim(bus)
    started = time.monotonic()
    await lease.release("busy", delay_s=0.15)
    assert (await claim(bus)).job.attempt == 2
    assert time.monotonic() - started >= 0.14


async def test_a_buried_job_lies_with_the_dead_letters_and_its_reason(bus: AnyBus) -> None:
    await bus.submit(job("a"))
    await (await claim(bus)).bury("cannot be spoken")
    (letter,) = await dead(bus)
    assert (letter.job_id, letter.reason) == ("a", "cannot be spoken")
    await never(anext(bus.claim("speak", "other")), LEASE_S * 1.5)


@pytest.mark.parametrize("work", [Speak("what was said"), Transcribe(b"what was said", 16_000)], ids=["text", "audio"])
async def test_a_dead_letter_says_whose_job_it_was_and_nothing_of_what_was_said(calm: AnyBus, work: Work) -> None:
    told = {"tenant": "t", "session_id": "s", "correlation_id": "c", "traceparent": "p"}
    await calm.submit(Job("a", "speak", work, "out:a", **told))
    await (await claim(calm)).release("busy")
    before = time.time()
    await (await claim(calm)).bury("ProviderTimeout: provider_timeout")
    (letter,) = await dead(calm)
    known = msgspec.structs.asdict(letter)
    assert before <= known.pop("at") <= time.time()
    why = {"job_id": "a", "queue": "speak", "attempt": 2, "reason": "ProviderTimeout: provider_timeout"}
    assert known == told | why


async def test_a_job_released_after_its_last_attempt_is_dead_and_its_listeners_hear_of_it(
    calm: AnyBus,
) -> None:
    await calm.submit(job("a"))
    for _ in range(ATTEMPTS):
        await (await claim(calm)).release("busy")
    (letter,) = await dead(calm)
    assert letter.reason == "busy"
    (entry,) = await soon(take(calm, "out:a", 1))
    assert isinstance(entry, JobFailed)
    await never(anext(calm.claim("speak", "other")))


async def test_a_job_that_kills_its_workers_is_dead_after_its_last_lease(bus: AnyBus) -> None:
    await bus.submit(job("a"))
    for attempt in range(1, ATTEMPTS + 1):
        assert (await claim(bus, f"victim-{attempt}")).job.attempt == attempt
    (entry,) = await soon(take(bus, "out:a", 1))
    assert isinstance(entry, JobFailed)
    assert [letter.job_id for letter in await dead(bus)] == ["a"]


# -- cancelling ----------------------------------------------------------------------------------------------


async def test_a_job_cancelled_before_it_is_claimed_is_skipped(calm: AnyBus) -> None:
    await calm.submit(job("a"))
    await calm.submit(job("b"))
    await calm.cancel("a")
    assert (await claim(calm)).job.id == "b"


async def test_cancelling_a_claimed_job_wakes_every_watcher(calm: AnyBus) -> None:
    async def measure(number: int) -> float:
        await calm.submit(job(str(number)))
        lease = await claim(calm)
        watchers = [asyncio.ensure_future(calm.cancelled(lease.job.id, "speak")) for _ in range(3)]
        await asyncio.sleep(0.02)
        assert not any(watcher.done() for watcher in watchers)
        started = time.monotonic()
        await calm.cancel(lease.job.id)
        await calm.cancel(lease.job.id)
        await soon(asyncio.gather(*watchers))
        elapsed = time.monotonic() - started
        await lease.acknowledge()
        return elapsed

    assert await quickest(measure) < WOKEN_S


async def test_the_flag_stays_up_for_those_who_ask_later(calm: AnyBus) -> None:
    await calm.submit(job("a"))
    await claim(calm)
    await calm.cancel("a")
    await soon(calm.cancelled("a", "speak"))
    await soon(calm.cancelled("a", "speak"))


async def test_a_job_cancelled_before_it_is_submitted_is_never_delivered(calm: AnyBus) -> None:
    await calm.cancel("a")
    await soon(calm.cancelled("a", "speak"))
    await calm.submit(job("a"))
    await soon(calm.cancelled("a", "speak"))
    await never(anext(calm.claim("speak", "worker")))


async def test_other_jobs_do_not_notice_a_cancel(calm: AnyBus) -> None:
    await calm.submit(job("a"))
    await calm.cancel("b")
    await never(calm.cancelled("a", "speak"))


async def test_the_flag_of_an_ended_job_is_forgotten(calm: AnyBus) -> None:
    await calm.submit(job("a"))
    lease = await claim(calm)
    await calm.cancel("a")
    await lease.acknowledge()
    await never(calm.cancelled("a", "speak"))


async def test_a_cancelled_job_that_is_given_back_is_not_delivered_again(calm: AnyBus) -> None:
    await calm.submit(job("a"))
    lease = await claim(calm)
    await calm.cancel("a")
    await lease.release("cancelled")
    await never(anext(calm.claim("speak", "other")))
    assert await dead(calm) == []


@pytest.mark.parametrize("queue", ["speak", None], ids=["known", "unknown"])
async def test_a_cancel_finds_the_job_whether_its_queue_is_known_or_not(calm: AnyBus, queue: Queue | None) -> None:
    for name in ("at work", "waiting", "next"):
        await calm.submit(job(name))
    lease = await claim(calm)
    await calm.cancel("at work", queue)
    await calm.cancel("waiting", queue)
    await soon(calm.cancelled(lease.job.id, "speak"))
    assert (await claim(calm)).job.id == "next"
