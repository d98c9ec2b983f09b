"""One stream from its fragments to its results: jobs, audio, artifacts, metrics, with and without a connection."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from msgspec import Struct
from structlog.testing import capture_logs

from antiphon.clock import SystemClock
from antiphon.doors.dubbing.driver import StreamDriver, StreamServices
from antiphon.doors.dubbing.ownership import opaque_name
from antiphon.dubbing.error_events import error_event
from antiphon.dubbing.inputs import Ended, Lost
from antiphon.dubbing.state import State
from antiphon.dubbing.stream import Stream
from antiphon.dubbing.voices import VoiceProfile
from antiphon.entities.history import Unit
from antiphon.errors import ProviderUnavailable, Unsupported
from antiphon.jobs.client import JobClient
from antiphon.observe.dubbing_metrics import DubbingMetrics
from antiphon.observe.metrics import Metrics
from antiphon.ports.artifacts import Artifact
from antiphon.wire.dubbing_client import StreamCommand
from antiphon.wire.entries import FragmentDubbed
from antiphon.wire.jobs import Dub, Job
from antiphon.workers import loop
from tests.options import embedded_bus, stream_rules, worker_options
from tests.unit.doors.dubbing.stage import IDENTITY, parsed_init
from tests.unit.dubbing.stages import fragment

KEY = (IDENTITY.account, "s")
Dubs = Callable[[Job], Awaitable[FragmentDubbed]]


async def dubbed(job: Job) -> FragmentDubbed:
    """Dub well."""
    return FragmentDubbed(
        job.id,
        status="success",
        audio=b"dubbed",
        format="m4a",
        rate_hz=48_000,
        channels=2,
        duration_ms=6_000,
        transcript="hello",
        translated_text="hola",
        lineage={"transcript_asset_id": "t"},
    )


class Client:
    """A stream, its connection, and a worker that dubs as it is told."""

    def __init__(self, *, shows_id: bool = True) -> None:
        clock, metrics = SystemClock(), Metrics()
        self.bus = embedded_bus(clock, strict=True)
        self.dubs: Dubs = dubbed
        self.jobs: list[Job] = []
        self.metrics = metrics
        self.kept: list[Artifact] = []
        self.units: list[Unit] = []
        self.sent: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self.reports: list[str] = []
        services = StreamServices(
            JobClient(self.bus, clock, timeout_s=10),
            clock,
            DubbingMetrics(metrics.registry),
            self.kept.append,
            self.units.append,
            shows_id,
        )
        self.driver = StreamDriver(KEY, Stream(State(seed="j"), stream_rules()), services, None)

    def send(self, name: str, payload: Struct) -> None:
        self.sent.put_nowait((name, payload))

    def complete(self) -> None:
        self.reports.append("complete")

    def displaced(self) -> None:
        self.reports.append("displaced")

    async def next(self, name: str) -> Any:
        """Return the payload of the next event, which has this name."""
        async with asyncio.timeout(10):
            came, payload = await self.sent.get()
        assert came == name, payload
        return payload

    async def offered(self, number: int) -> None:
        """Send a fragment, and take its acknowledgement."""
        self.driver.offer(fragment(number))
        assert (await self.next("fragment:ack")).status == "queued"

    def series(self) -> list[str]:
        """The series of streams in the metrics."""
        return [line for line in self.metrics.render().decode().splitlines() if "stream_id=" in line]

    async def _handle(self, job: Job, emit: loop.Emit, _: Any) -> None:
        self.jobs.append(job)
        await emit([await self.dubs(job)])


@contextlib.asynccontextmanager
async def streaming(profile: VoiceProfile | None = None, **given: Any) -> AsyncIterator[Client]:
    """A stream that has begun."""
    client = Client(**given)
    worker = asyncio.create_task(loop.run(client.bus, "dub", client._handle, "w", worker_options()))
    client.driver.listen(client)
    client.driver.begin(parsed_init(timeout_ms=20_000), profile or VoiceProfile("default"))
    await client.next("stream:ready")
    try:
        yield client
    finally:
        client.driver.close()
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


async def test_a_stream_is_new_until_it_begins() -> None:
    assert Client().driver.is_new
    async with streaming() as client:
        assert not client.driver.is_new


async def test_a_fragment_is_one_job_and_comes_back_with_its_audio() -> None:
    async with streaming(VoiceProfile("ana", voice="Ana", model="xtts", sample="ana.wav")) as client:
        await client.offered(0)
        result = await client.next("fragment:processed")
    assert (result.status, result.transcript, result.translated_text) == ("success", "hello", "hola")
    assert base64.b64decode(result.dubbed_audio.data_base64) == b"dubbed"
    assert (result.dubbed_audio.format, result.dubbed_audio.channels) == ("m4a", 2)
    [job] = client.jobs
    work = job.work
    assert isinstance(work, Dub)
    assert (work.audio, work.fragment_id, work.sequence_number) == (b"sound", "f0", 0)
    assert (work.source, work.target, work.out_format) == ("en", "es", "m4a")
    assert (work.voice, work.voice_model, work.voice_profile) == ("ana.wav", "xtts", "ana")
    assert (job.tenant, job.key_id, job.retries) == ("default", "key", False)


async def test_results_are_sent_in_order_each_with_its_own_audio() -> None:
    may_end = asyncio.Event()

    async def dubs(job: Job) -> FragmentDubbed:
        if job.work.sequence_number == 0:
            await may_end.wait()
        else:
            may_end.set()
        made = await dubbed(job)
        return FragmentDubbed(job.id, status="success", audio=job.work.fragment_id.encode(), format=made.format)

    async with streaming() as client:
        client.dubs = dubs
        worker = asyncio.create_task(loop.run(client.bus, "dub", client._handle, "w2", worker_options()))
        for number in range(2):
            await client.offered(number)
        results = [await client.next("fragment:processed") for _ in range(2)]
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
    assert [(one.sequence_number, base64.b64decode(one.dubbed_audio.data_base64)) for one in results] == [
        (0, b"f0"),
        (1, b"f1"),
    ]


async def test_a_job_that_fails_is_a_failed_fragment_with_its_code() -> None:
    async def fails(_: Job) -> FragmentDubbed:
        raise ProviderUnavailable("away")

    async with streaming() as client:
        client.dubs = fails
        await client.offered(0)
        result = await client.next("fragment:processed")
        series = client.series()
    assert (result.status, result.error.code, result.error.retryable) == ("failed", "MODEL_ERROR", True)
    assert len(client.jobs) == 1, "no retry but the client's"
    assert any('error_code="MODEL_ERROR"' in one for one in series)


async def test_an_artifact_has_the_original_the_result_and_the_account() -> None:
    async with streaming() as client:
        await client.offered(0)
        await client.next("fragment:processed")
    [artifact] = client.kept
    assert (artifact.tenant, artifact.owner, artifact.stream_id, artifact.fragment_id) == ("default", "key", "s", "f0")
    assert (artifact.transcript, artifact.translation, artifact.status) == ("hello", "hola", "success")
    assert artifact.original_audio is not None
    assert artifact.dubbed_audio is not None
    assert (artifact.original_audio.data, artifact.dubbed_audio.data) == (b"sound", b"dubbed")
    assert artifact.lineage == {"original_audio_asset_id": "audio-original-f0", "transcript_asset_id": "t"}
    assert "audio_bytes" not in artifact.assets[0]


async def test_the_artifact_of_a_failure_has_no_dubbed_audio() -> None:
    async def fails(_: Job) -> FragmentDubbed:
        raise Unsupported("no")

    async with streaming() as client:
        client.dubs = fails
        await client.offered(0)
        await client.next("fragment:processed")
    [artifact] = client.kept
    assert (artifact.status, artifact.dubbed_audio, artifact.transcript) == ("failed", None, None)


async def test_a_result_from_memory_is_sent_again_and_counted_once() -> None:
    with capture_logs() as lines:
        async with streaming() as client:
            await client.offered(0)
            first = await client.next("fragment:processed")
            client.driver.offer(fragment(0))
            assert await client.next("fragment:processed") == first
            assert (len(client.jobs), len(client.kept)) == (1, 1)
    assert [line["event"] for line in lines if line["event"] == "fragment processed"] == ["fragment processed"]
    assert "hello" not in str(lines), "no text in the log"


async def test_a_result_that_is_finished_after_the_connection_was_lost_waits_for_the_next_one() -> None:
    started, may_end = asyncio.Event(), asyncio.Event()

    async def dubs(job: Job) -> FragmentDubbed:
        started.set()
        await may_end.wait()
        return await dubbed(job)

    async with streaming() as client:
        client.dubs = dubs
        await client.offered(0)
        async with asyncio.timeout(10):
            await started.wait()
        client.driver.listen(None)
        client.driver.tell(Lost())
        may_end.set()
        async with asyncio.timeout(10):
            while not client.driver.machine.state.memory:
                await asyncio.sleep(0)
        assert client.sent.empty()
        client.driver.listen(client)
        client.driver.begin(parsed_init(timeout_ms=20_000), VoiceProfile("default"))
        await client.next("stream:ready")
        client.driver.offer(fragment(0))
        await client.next("fragment:ack")
        result = await client.next("fragment:processed")
    assert base64.b64decode(result.dubbed_audio.data_base64) == b"dubbed"
    assert len(client.jobs) == 1
    assert client.kept[0].original_audio is None, "originals are dropped with the connection"


async def test_a_stream_and_what_it_uses_go_into_the_history() -> None:
    async with streaming() as client:
        session_id = client.driver.machine.state.session_id
        await client.offered(0)
        await client.next("fragment:processed")
        client.driver.offer(fragment(0))
        await client.next("fragment:processed")
        (opened,), used = client.units[0].sessions, [row for unit in client.units for row in unit.usage]
        assert (opened.session_id, opened.kind, opened.status, opened.key_id) == (
            session_id,
            "dubbing",
            "connected",
            "key",
        )
        assert b'"target_language":"es"' in opened.config
        assert {row.record_id: row.amount for row in used} == {
            f"{session_id}:0:requests": 1,
            f"{session_id}:0:audio_input_s": fragment(0)["audio"]["duration_ms"] / 1000,
        }
        client.driver.begin(parsed_init(timeout_ms=20_000), VoiceProfile("default"))
    states = [(row.session_id, row.closed_at is None) for unit in client.units for row in unit.sessions]
    again = states[2][0]
    assert states == [(session_id, True), (session_id, False), (again, True), (again, False)]
    assert again != session_id


async def test_the_end_of_the_stream_is_reported_after_its_last_event() -> None:
    async with streaming() as client:
        client.driver.tell(Ended(StreamCommand()))
        assert (await client.next("stream:complete")).total_fragments == 0
        assert client.reports == ["complete"]


async def test_metrics_name_the_stream_only_where_there_are_no_keys() -> None:
    for shows_id, name in ((True, "s"), (False, opaque_name(KEY))):
        async with streaming(shows_id=shows_id) as client:
            await client.offered(0)
            await client.next("fragment:processed")
            client.driver.refuse(error_event("INVALID_CONFIG", "m", "e"))
            assert (await client.next("error")).code == "INVALID_CONFIG"
            series = client.series()
            assert series
            assert all(f'stream_id="{name}"' in one for one in series)


async def test_a_closed_stream_cancels_its_jobs_and_leaves_no_series() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def dubs(_: Job) -> FragmentDubbed:
        started.set()
        try:
            return await asyncio.Future()
        finally:
            cancelled.set()

    async with streaming() as client:
        client.dubs = dubs
        await client.offered(0)
        async with asyncio.timeout(10):
            await started.wait()
            client.driver.close()
            await cancelled.wait()
        assert client.driver.listener is None
        assert client.series() == []
