from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise

import structlog
from msgspec.structs import replace
from structlog.testing import capture_logs

from antiphon.clock import VirtualClock
from antiphon.entities.priority import LIVE, PATIENT, TOLERANT
from antiphon.errors import ProviderBusy, ProviderRejected
from antiphon.jobs.client import JobClient
from antiphon.observe.metrics import Metrics
from antiphon.observe.trace import MemorySink, recording, span, traceparent, tracing
from antiphon.observe.work_metrics import SpeechMetrics, TranscriptionMetrics
from antiphon.ports.bus import Bus
from antiphon.resilience.backoff import Backoff
from antiphon.resilience.priority_semaphore import priority
from antiphon.wire.entries import JobFailed, PipeEntry, SpeechDone, TextReady
from antiphon.wire.jobs import Job, Queue, Speak
from antiphon.workers.completion import WorkerOptions
from antiphon.workers.loop import Emit, Handler, run
from antiphon.workers.retry_policy import RetryRule
from tests.options import embedded_bus, worker_options
from tests.virtual_time import on_virtual_time

LEASE_S = 9.0
OPTIONS = WorkerOptions(retry=RetryRule(attempts=3, backoff=Backoff(base_s=1.0, cap_s=8.0)), heartbeat_s=3.0)


def job(job_id: str = "a", *, deadline_s: float = 0.0, priority: int = LIVE) -> Job:
    output = f"out:{job_id}"
    return Job(job_id, "speak", Speak("hi"), output, deadline_s=deadline_s, priority=priority)


class Stage:
    """A bus on virtual time and one worker on it."""

    def __init__(
        self,
        clock: VirtualClock,
        *,
        lease_s: float = LEASE_S,
        pipe_entries: int = 1024,
        options: WorkerOptions = OPTIONS,
        queue: Queue = "speak",
    ) -> None:
        self.clock = clock
        self.queue: Queue = queue
        self.options = options
        self.bus = embedded_bus(clock, lease_s=lease_s, pipe_entries=pipe_entries, strict=True)
        self.metrics = Metrics()
        self.measures = (TranscriptionMetrics if queue == "transcribe" else SpeechMetrics)(self.metrics.registry)
        self.stop = asyncio.Event()
        self.worker: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def working(self, handler: Handler, *, concurrency: int = 1, patient: int = 0) -> AsyncIterator[None]:
        self.worker = asyncio.ensure_future(
            run(
                self.bus,
                self.queue,
                handler,
                "w",
                concurrency=concurrency,
                patient=patient,
                options=self.options,
                clock=self.clock,
                uniform=lambda: 1.0,
                metrics=self.metrics,
                measure=self.measures.done,
                stop=self.stop,
            )
        )
        try:
            yield
        finally:
            await self.bus.close()
            self.worker.cancel()
            with suppress(asyncio.CancelledError):
                await self.worker

    async def results(self, job_id: str = "a", *, within_s: float = 300.0) -> list[PipeEntry]:
        """Return the entries up to the last one of a job."""
        entries: list[PipeEntry] = []
        async with asyncio.timeout(within_s):
            async for _, entry in self.bus.read(f"out:{job_id}"):
                entries.append(entry)
                if isinstance(entry, SpeechDone | JobFailed):
                    break
        return entries

    def dead(self) -> list[str]:
        return [letter.job_id for letter in self.bus.dead_letters()]

    def known(self) -> list[str]:
        return list(self.bus._queues._known)

    def sample(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


async def speak(job: Job, emit: Emit, _bus: Bus) -> None:
    await emit([TextReady(job.id, "hi")])
    await emit([SpeechDone(job.id)])


def failing(error: Exception, *, times: int = 1000, after_result: bool = False) -> tuple[Handler, list[float]]:
    """Return a handler that fails so many times, and the list of its starts."""
    starts: list[float] = []

    async def handle(job: Job, emit: Emit, bus: Bus) -> None:
        starts.append(asyncio.get_running_loop().time())
        if after_result:
            await emit([TextReady(job.id, "beginning")])
        if len(starts) <= times:
            raise error
        await speak(job, emit, bus)

    return handle, starts


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@on_virtual_time
async def test_a_job_is_done_acknowledged_and_measured(clock: VirtualClock) -> None:
    stage = Stage(clock)
    async with stage.working(speak):
        await stage.bus.submit(job())
        assert await stage.results() == [TextReady("a", "hi"), SpeechDone("a")]
        await turns()
        assert (stage.known(), stage.dead()) == ([], [])
    assert stage.sample("tts_synthesis_count", outcome="done") == 1.0
    assert stage.sample("worker_utilization", queue="speak") == 0.0


@on_virtual_time
async def test_transcriptions_are_counted_by_how_they_ended_for_good(clock: VirtualClock) -> None:
    stage = Stage(clock, queue="transcribe")
    flaky, starts = failing(ProviderBusy("one moment"), times=1)
    broken, _ = failing(ProviderRejected("no such language"))
    transcribing = replace(job(), queue="transcribe")
    async with stage.working(flaky):
        await stage.bus.submit(transcribing)
        await stage.results()
        await turns()
    assert len(starts) == 2
    assert (stage.sample("transcription_success_total"), stage.sample("transcription_error_total")) == (1, 0)
    other = Stage(clock, queue="transcribe")
    async with other.working(broken):
        await other.bus.submit(transcribing)
        await other.results()
        await turns()
    assert (other.sample("transcription_success_total"), other.sample("transcription_error_total")) == (0, 1)


@on_virtual_time
async def test_a_transient_failure_is_tried_again_after_a_growing_wait(clock: VirtualClock) -> None:
    stage = Stage(clock)
    handler, starts = failing(ProviderBusy("no slot"), times=2)
    async with stage.working(handler):
        await stage.bus.submit(job())
        assert await stage.results() == [TextReady("a", "hi"), SpeechDone("a")]
    waits = [round(later - earlier, 2) for earlier, later in pairwise(starts)]
    assert waits == [1.0, 2.0]
    assert stage.sample("errors_total", area="worker", type="overloaded_error") == 2.0


@on_virtual_time
async def test_after_the_last_attempt_the_job_is_buried_and_its_listeners_are_told(clock: VirtualClock) -> None:
    stage = Stage(clock)
    handler, starts = failing(ProviderBusy("no slot"))
    async with stage.working(handler):
        await stage.bus.submit(job())
        (entry,) = await stage.results()
        assert entry == JobFailed(
            "a", "overloaded_error", "provider_busy", "no slot", transient=True, kind="ProviderBusy"
        )
        await turns()
        assert stage.dead() == ["a"]
    assert len(starts) == 3


@on_virtual_time
async def test_a_failure_after_a_result_is_final_so_that_nothing_is_heard_twice(clock: VirtualClock) -> None:
    stage = Stage(clock)
    handler, starts = failing(ProviderBusy("broke off"), times=1, after_result=True)
    async with stage.working(handler):
        await stage.bus.submit(job())
        beginning, failure = await stage.results()
        assert beginning == TextReady("a", "beginning")
        assert isinstance(failure, JobFailed)
        await turns()
        assert stage.dead() == ["a"]
    assert len(starts) == 1


@on_virtual_time
async def test_a_permanent_failure_is_buried_at_once(clock: VirtualClock) -> None:
    stage = Stage(clock)
    handler, starts = failing(ProviderRejected("bad key"))
    async with stage.working(handler):
        await stage.bus.submit(job())
        (entry,) = await stage.results()
        assert entry == JobFailed(
            "a", "api_error", "provider_rejected", "bad key", transient=False, kind="ProviderRejected"
        )
    assert len(starts) == 1


@on_virtual_time
async def test_a_bug_in_a_handler_ends_its_job_and_not_the_worker(clock: VirtualClock) -> None:
    stage = Stage(clock)

    async def handle(job: Job, emit: Emit, bus: Bus) -> None:
        if job.id == "a":
            raise KeyError("inside")
        await speak(job, emit, bus)

    with structlog.testing.capture_logs() as logs:
        async with stage.working(handle):
            await stage.bus.submit(job("a"))
            await stage.bus.submit(job("b"))
            (entry,) = await stage.results("a")
            assert isinstance(entry, JobFailed)
            assert (entry.code, entry.message) == ("internal_error", "the worker failed unexpectedly")
            assert len(await stage.results("b")) == 2
    assert [line["job_id"] for line in logs if line["event"] == "handler failed unexpectedly"] == ["a"]
    assert stage.sample("errors_total", area="worker", type="api_error") == 1.0


@on_virtual_time
async def test_what_an_engine_says_of_a_failure_is_logged_as_words_of_people(clock: VirtualClock) -> None:
    stage = Stage(clock)
    said = "input: my card is 1234"
    errors = {
        "busy": ProviderBusy("engine answered 503", detail=said),
        "rejected": ProviderRejected("engine answered 422", detail=said),
        "unexpected": ValueError(said),
    }

    async def handle(job: Job, _emit: Emit, _bus: Bus) -> None:
        raise errors[job.id]

    with structlog.testing.capture_logs() as logs:
        async with stage.working(handle):
            for name in errors:
                await stage.bus.submit(job(name))
                await stage.results(name)
    told = [line for line in logs if line["event"] in {"job failed", "job retried"}]
    assert {line["job_id"] for line in told} == errors.keys()
    assert {line.pop("pii.detail") for line in told} == {said}
    assert "1234" not in repr(told)


@on_virtual_time
async def test_a_handler_that_cancels_itself_is_a_failed_attempt(clock: VirtualClock) -> None:
    stage = Stage(clock)

    async def handle(_job: Job, _emit: Emit, _bus: Bus) -> None:
        raise asyncio.CancelledError

    async with stage.working(handle):
        await stage.bus.submit(job())
        (entry,) = await stage.results()
        assert isinstance(entry, JobFailed)
        assert entry.code == "handler_cancelled"


@on_virtual_time
async def test_heartbeats_keep_a_long_job_with_its_worker(clock: VirtualClock) -> None:
    stage = Stage(clock)
    starts: list[str] = []

    async def handle(job: Job, emit: Emit, bus: Bus) -> None:
        starts.append(job.id)
        await asyncio.sleep(LEASE_S * 10)
        await speak(job, emit, bus)

    async with stage.working(handle, concurrency=2):
        await stage.bus.submit(job())
        assert len(await stage.results()) == 2
    assert starts == ["a"]


def endless() -> tuple[Handler, list[int]]:
    """Return a handler that never waits by itself, and how much it has emitted."""
    emitted = [0]

    async def handle(job: Job, emit: Emit, bus: Bus) -> None:
        for _ in range(1_000_000):
            await emit([TextReady(job.id, "x")])
            emitted[0] += 1
        await speak(job, emit, bus)

    return handle, emitted


@on_virtual_time
async def test_a_job_whose_reader_is_gone_ends_with_its_next_result(clock: VirtualClock) -> None:
    stage = Stage(clock)
    handler, emitted = endless()
    async with stage.working(handler):
        await stage.bus.submit(job())
        reading = stage.bus.read("out:a")
        for _ in range(100):
            await anext(reading)
        await stage.bus.drop("out:a")
        before = emitted[0]
        await turns()
        assert emitted[0] <= before + 1
        assert (stage.known(), stage.dead()) == ([], [])
    assert stage.sample("tts_synthesis_count", outcome="cancelled") == 1.0


@on_virtual_time
async def test_speech_that_is_broken_off_is_logged_and_counted(clock: VirtualClock) -> None:
    stage = Stage(clock)
    handler, _ = endless()
    with structlog.testing.capture_logs() as logs:
        async with stage.working(handler):
            await stage.bus.submit(job())
            reader = asyncio.create_task(stage.results())
            await turns()
            await stage.bus.cancel("a")
            await turns()
            reader.cancel()
    assert [(log["event"], log["job_id"]) for log in logs] == [("tts.cancelled", "a")]
    assert stage.sample("tts_cancelled_total") == 1.0


@on_virtual_time
async def test_a_handler_that_never_waits_leaves_others_their_turns_and_can_be_cancelled(clock: VirtualClock) -> None:
    stage = Stage(clock)
    handler, emitted = endless()
    async with stage.working(handler):
        await stage.bus.submit(job())
        reader = asyncio.create_task(stage.results())
        await turns(1000)
        assert 1000 < emitted[0] < 50_000
        await stage.bus.cancel("a")
        await turns()
        before = emitted[0]
        await turns(100)
        assert emitted[0] == before
        assert (stage.known(), stage.dead()) == ([], [])
        reader.cancel()


@on_virtual_time
async def test_a_cancelled_job_stops_at_once_and_emits_nothing_more(clock: VirtualClock) -> None:
    stage = Stage(clock)
    stopped: list[float] = []

    async def handle(job: Job, emit: Emit, bus: Bus) -> None:
        await emit([TextReady(job.id, "beginning")])
        try:
            await asyncio.sleep(100)
        finally:
            stopped.append(clock.now())
            with suppress(asyncio.CancelledError):
                await emit([TextReady(job.id, "too late")])

    async with stage.working(handle):
        await stage.bus.submit(job())
        await asyncio.sleep(1)
        await stage.bus.cancel("a")
        await asyncio.sleep(0.05)
        assert (stage.known(), stage.dead()) == ([], [])
        await stage.bus.write("out:a", [SpeechDone("end")])
        assert await stage.results() == [TextReady("a", "beginning"), SpeechDone("end")]
    assert stopped == [1.0]
    assert stage.sample("tts_synthesis_count", outcome="cancelled") == 1.0


@on_virtual_time
async def test_a_handler_that_ignores_its_cancellation_holds_its_slot_for_seconds_only(
    clock: VirtualClock,
) -> None:
    stage = Stage(clock)
    release = asyncio.Event()

    async def handle(job: Job, emit: Emit, bus: Bus) -> None:
        if job.id == "b":
            return await speak(job, emit, bus)
        while not release.is_set():
            with suppress(asyncio.CancelledError):
                await release.wait()
        return None

    async with stage.working(handle):
        await stage.bus.submit(job("a"))
        await asyncio.sleep(1)
        await stage.bus.submit(job("b"))
        await stage.bus.cancel("a")
        assert len(await stage.results("b", within_s=OPTIONS.close_timeout_s + 1)) == 2
        release.set()


@on_virtual_time
async def test_a_close_timeout_that_is_longer_than_a_lease_costs_no_other_attempt(clock: VirtualClock) -> None:
    stage = Stage(clock, lease_s=3.0, pipe_entries=2, options=worker_options(heartbeat_s=1.0))
    attempts: list[float] = []

    async def handle(job: Job, emit: Emit, _bus: Bus) -> None:
        attempts.append(clock.now())
        await emit([TextReady(job.id, "hi")])
        await emit([TextReady(job.id, "hi")])
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(100)
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(100)

    async with stage.working(handle, concurrency=2):
        await stage.bus.submit(job(deadline_s=clock.wall() + 2))
        for _ in range(60):
            await asyncio.sleep(0.5)
            stage.bus.sweep()
        assert len(attempts) == 1
        (letter,) = stage.bus.dead_letters()
        assert "deadline" in letter.reason


@on_virtual_time
async def test_a_job_that_misses_its_deadline_is_stopped_then(clock: VirtualClock) -> None:
    stage = Stage(clock)
    stopped: list[float] = []

    async def handle(_job: Job, _emit: Emit, _bus: Bus) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            stopped.append(round(clock.now(), 3))

    async with stage.working(handle):
        await stage.bus.submit(job(deadline_s=clock.wall() + 4.5))
        (entry,) = await stage.results()
        assert isinstance(entry, JobFailed)
        assert (entry.error_type, entry.code) == ("timeout_error", "deadline_exceeded")
    assert stopped == [4.5]


@on_virtual_time
async def test_a_job_past_its_deadline_is_not_begun(clock: VirtualClock) -> None:
    stage = Stage(clock)
    handler, starts = failing(ProviderBusy("never"))
    async with stage.working(handler):
        await stage.bus.submit(job(deadline_s=clock.wall() - 1))
        (entry,) = await stage.results()
        assert isinstance(entry, JobFailed)
    assert starts == []


@on_virtual_time
async def test_who_lost_the_lease_stops_and_leaves_the_job_to_the_other(clock: VirtualClock) -> None:
    stage = Stage(clock)
    stopped: list[float] = []

    async def handle(_job: Job, _emit: Emit, _bus: Bus) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            stopped.append(clock.now())

    async with stage.working(handle):
        await stage.bus.submit(job())
        await asyncio.sleep(0.1)
        clock.advance(LEASE_S + 1)  # the machine slept
        other = await anext(stage.bus.claim("speak", "other"))
        assert other.job.attempt == 2
        await asyncio.sleep(4)
        assert len(stopped) == 1
        await other.renew()
        assert (stage.known(), stage.dead()) == (["a"], [])


@on_virtual_time
async def test_slots_work_side_by_side_and_no_more_than_told(clock: VirtualClock) -> None:
    stage = Stage(clock)
    busy: list[int] = [0]
    most: list[int] = [0]

    async def handle(job: Job, emit: Emit, bus: Bus) -> None:
        busy[0] += 1
        most[0] = max(most[0], busy[0])
        await asyncio.sleep(1)
        busy[0] -= 1
        await speak(job, emit, bus)

    async with stage.working(handle, concurrency=3):
        for number in range(9):
            await stage.bus.submit(job(str(number)))
        for number in range(9):
            await stage.results(str(number))
        assert round(clock.now(), 3) == 3.0
    assert most == [3]


@on_virtual_time
async def test_utilization_is_the_share_of_busy_slots(clock: VirtualClock) -> None:
    stage = Stage(clock)
    release = asyncio.Event()

    async def handle(_job: Job, _emit: Emit, _bus: Bus) -> None:
        await release.wait()

    async with stage.working(handle, concurrency=4):
        await stage.bus.submit(job())
        await turns()
        assert stage.sample("worker_utilization", queue="speak") == 0.25
        release.set()


@on_virtual_time
async def test_every_task_of_a_worker_has_a_name(clock: VirtualClock) -> None:
    stage = Stage(clock)
    release = asyncio.Event()

    async def handle(_job: Job, _emit: Emit, _bus: Bus) -> None:
        await release.wait()

    before = asyncio.all_tasks()
    async with stage.working(handle):
        await stage.bus.submit(job())
        await turns()
        names = {task.get_name() for task in asyncio.all_tasks() - before if task is not stage.worker}
        assert names == {"worker speak w-0", "drain speak w", "speak a", "cancel flag a"}
        release.set()


# -- the end of a worker -------------------------------------------------------------------------------------


@on_virtual_time
async def test_a_worker_told_to_stop_finishes_the_job_at_hand_and_takes_no_other(clock: VirtualClock) -> None:
    stage = Stage(clock)

    async def handle(job: Job, emit: Emit, bus: Bus) -> None:
        await asyncio.sleep(5)
        await speak(job, emit, bus)

    async with stage.working(handle, concurrency=2):
        await stage.bus.submit(job("a"))
        await turns()
        stage.stop.set()
        await turns()
        await stage.bus.submit(job("b"))
        assert len(await stage.results("a")) == 2
        assert stage.worker is not None
        await asyncio.wait_for(asyncio.shield(stage.worker), 1)
        assert stage.known() == ["b"]


@on_virtual_time
async def test_a_cancelled_worker_gives_an_untouched_job_back_at_once(clock: VirtualClock) -> None:
    stage = Stage(clock)

    async def handle(_job: Job, _emit: Emit, _bus: Bus) -> None:
        await asyncio.sleep(100)

    async with stage.working(handle):
        await stage.bus.submit(job())
        await asyncio.sleep(1)
        assert stage.worker is not None
        stage.worker.cancel()
        again = await asyncio.wait_for(anext(stage.bus.claim("speak", "other")), 0.1)
        assert (again.job.id, again.job.attempt) == ("a", 1), "it was none"


@on_virtual_time
async def test_a_cancelled_worker_ends_a_job_that_has_emitted_something(clock: VirtualClock) -> None:
    stage = Stage(clock)

    async def handle(job: Job, emit: Emit, _bus: Bus) -> None:
        await emit([TextReady(job.id, "beginning")])
        await asyncio.sleep(100)

    async with stage.working(handle):
        await stage.bus.submit(job())
        await asyncio.sleep(1)
        assert stage.worker is not None
        stage.worker.cancel()
        _, failure = await stage.results()
        assert isinstance(failure, JobFailed)
        assert (failure.code, failure.transient) == ("worker_stopped", True)
        await turns()
        assert stage.known() == []


@on_virtual_time
async def test_the_loop_ends_when_the_bus_closes(clock: VirtualClock) -> None:
    stage = Stage(clock)
    async with stage.working(speak, concurrency=3):
        await turns()
        await stage.bus.close()
        assert stage.worker is not None
        await asyncio.wait_for(asyncio.shield(stage.worker), 1)
        assert stage.worker.done()


@on_virtual_time
async def test_a_failure_that_nobody_reads_does_not_hold_the_slot_for_ever(clock: VirtualClock) -> None:
    stage = Stage(clock)

    async def handle(job: Job, emit: Emit, bus: Bus) -> None:
        if job.id == "b":
            return await speak(job, emit, bus)
        await emit([TextReady(job.id, "x")] * 1024)
        raise ProviderRejected("after filling its pipe")

    async with stage.working(handle):
        await stage.bus.submit(job("a"))
        await stage.bus.submit(job("b"))
        assert len(await stage.results("b", within_s=OPTIONS.close_timeout_s + 1)) == 2
        assert stage.dead() == ["a"]


@on_virtual_time
async def test_when_everything_fails_the_budget_ends_the_retries_and_successes_earn_them_back(
    clock: VirtualClock,
) -> None:
    stage = Stage(clock)
    starts = 0
    works = False

    async def handle(job: Job, emit: Emit, bus: Bus) -> None:
        nonlocal starts
        starts += 1
        if not works:
            raise ProviderBusy("full")
        await speak(job, emit, bus)

    async def work(*names: str) -> None:
        for name in names:
            await stage.bus.submit(job(name))
        for name in names:
            await stage.results(name)
        await turns()

    async with stage.working(handle, concurrency=20):
        await work(*(f"failing {number}" for number in range(20)))
        assert starts == 20 + 10, "the reserve, and not two retries for each"
        works = True
        await work(*(f"working {number}" for number in range(25)))
        starts, works = 0, False
        await work("one more")
        assert starts == 1 + 2, "its two retries were earned"


@on_virtual_time
async def test_what_a_handler_asks_for_belongs_to_the_trace_of_its_job(clock: VirtualClock) -> None:
    stage = Stage(clock)
    given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    seen: list[tuple[str, dict[str, object]]] = []

    async def handle(job: Job, emit: Emit, bus: Bus) -> None:
        seen.append((traceparent(), structlog.contextvars.get_contextvars()))
        await speak(job, emit, bus)

    async with stage.working(handle):
        await stage.bus.submit(replace(job(), traceparent=given, session_id="sess_1"))
        await stage.results()
    ((header, fields),) = seen
    assert header[:36] == given[:36]
    assert header != given
    assert (fields["trace_id"], fields["session_id"], fields["job_id"]) == (given[3:35], "sess_1", "a")
    assert traceparent() == ""


@on_virtual_time
async def test_the_span_of_a_job_is_the_child_of_whoever_asked_and_the_parent_of_its_handler(
    clock: VirtualClock,
) -> None:
    stage, sink = Stage(clock), MemorySink()

    async def handle(job: Job, emit: Emit, bus: Bus) -> None:
        with span("handler"):
            await speak(job, emit, bus)

    with recording(sink, clock):
        async with stage.working(handle):
            with tracing(""), span("request"):
                await JobClient(stage.bus, clock).result(Speak("what nobody may read"), SpeechDone)
            await asyncio.sleep(1)
    found = {one.name: one for one in sink.spans}
    request, done, inside = found["request"], found["job"], found["handler"]
    assert (done.parent_id, inside.parent_id) == (request.span_id, done.span_id)
    assert request.trace_id == done.trace_id == inside.trace_id
    about = {name: value for name, value in done.attributes.items() if name != "job_id"}
    assert about == {"queue": "speak", "attempt": 1, "outcome": "done"}
    assert done.status == "ok"
    assert "nobody" not in repr(sink.spans)


@on_virtual_time
async def test_every_attempt_at_a_job_has_a_span_that_says_how_it_ended(clock: VirtualClock) -> None:
    stage, sink = Stage(clock), MemorySink()
    handle, _ = failing(ProviderBusy("what nobody may read"), times=1)
    with recording(sink, clock):
        async with stage.working(handle):
            await stage.bus.submit(job("a"))
            await stage.results("a")
            await asyncio.sleep(1)
    told = [(one.attributes["attempt"], one.attributes["outcome"], one.status, one.error) for one in sink.spans]
    assert told == [(1, "retried", "error", "ProviderBusy"), (2, "done", "ok", "")]
    assert "nobody" not in repr(sink.spans)


@on_virtual_time
async def test_a_cancelled_job_has_not_failed(clock: VirtualClock) -> None:
    stage, sink = Stage(clock), MemorySink()

    async def handle(job: Job, emit: Emit, bus: Bus) -> None:
        await asyncio.sleep(100)

    with recording(sink, clock):
        async with stage.working(handle):
            await stage.bus.submit(job("a"))
            await asyncio.sleep(1)
            await stage.bus.cancel("a")
            await asyncio.sleep(1)
    (done,) = sink.spans
    assert (done.attributes["outcome"], done.status) == ("cancelled", "ok")


@on_virtual_time
async def test_what_is_logged_of_a_failed_job_names_its_trace(clock: VirtualClock) -> None:
    stage = Stage(clock)
    given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    handle, _ = failing(ProviderRejected("no"))
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        async with stage.working(handle):
            await stage.bus.submit(replace(job(), traceparent=given))
            await stage.results()
    assert [line["trace_id"] for line in lines if line["event"] == "job failed"] == [given[3:35]]


@on_virtual_time
async def test_patient_jobs_have_slots_of_their_own_and_hold_up_no_other(clock: VirtualClock) -> None:
    stage, begun = Stage(clock), list[str]()

    async def handle(job: Job, emit: Emit, bus: Bus) -> None:
        begun.append(job.id)
        if job.priority <= PATIENT:
            await asyncio.sleep(60)
        await speak(job, emit, bus)

    async with stage.working(handle, patient=2):
        for name in ("p1", "p2", "p3"):
            await stage.bus.submit(job(name, priority=PATIENT))
        await asyncio.sleep(1)
        assert stage.sample("worker_utilization", queue="speak") == 0, "there is room for turns"
        await stage.bus.submit(job("live"))
        await stage.results("live", within_s=1)
        assert begun == ["p1", "p2", "live"]
        await stage.results("p3")
        assert clock.now() >= 120


@on_virtual_time
async def test_an_engine_knows_how_urgent_its_call_is(clock: VirtualClock) -> None:
    stage, seen = Stage(clock), list[int]()

    async def handle(job: Job, emit: Emit, bus: Bus) -> None:
        seen.append(priority.get())
        await speak(job, emit, bus)

    async with stage.working(handle):
        for urgency in (TOLERANT, LIVE, PATIENT):
            await stage.bus.submit(job(str(urgency), priority=urgency))
            await stage.results(str(urgency))
    assert seen == [TOLERANT, LIVE, PATIENT]
