"""A stage for the REST doors: a real server, a real bus and real worker loops, with scripted handlers at the end."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from antiphon.bus.embedded import EmbeddedBus
from antiphon.clock import SystemClock
from antiphon.conversation.session import Defaults, describe
from antiphon.doors.access.authentication import Access
from antiphon.doors.access.client_secrets import EphemeralSecrets
from antiphon.doors.access.cors import Cors
from antiphon.doors.http.app import build_http
from antiphon.doors.http.in_flight_bytes import ByteBudget
from antiphon.doors.http.openapi import Description, describe_api
from antiphon.doors.http.route import bound
from antiphon.doors.operation import health
from antiphon.doors.operation.pages import SITE_ROUTES
from antiphon.doors.operation.services import OperationServices, Readiness
from antiphon.doors.rest.routes import API_ROUTES
from antiphon.doors.rest.services import RestServices
from antiphon.doors.server.app import HttpServer, ServerOptions
from antiphon.entities.capabilities import Capabilities, Voice
from antiphon.entities.speech import Segment, Word
from antiphon.errors import AntiphonError
from antiphon.jobs.client import JobClient
from antiphon.observe.metrics import Metrics
from antiphon.ports.bus import Bus
from antiphon.wire.entries import (
    AudioReady,
    PipeEntry,
    SegmentReady,
    SpeechDone,
    TranscriptReady,
)
from antiphon.wire.jobs import Job, Queue, Speak, Transcribe
from antiphon.workers import loop
from tests.fakes.decoder import ThreadDecoder
from tests.options import embedded_bus, worker_options

ENGINES = {
    "stt": Capabilities("ears", models=("ears-1", "org/ears-2")),
    "tts": Capabilities("mouth", models=("mouth-1",), voices=(Voice("ann", "en", "Clear."), Voice("ben", "en-gb"))),
    "llm": Capabilities("brain"),
}
SEGMENTS = (
    Segment("Hello there.", 0.0, 1.25, (Word("Hello", 0.0, 0.5), Word("there.", 0.6, 1.25)), -0.25, 0.01),
    Segment("How are you?", 1.5, 3661.0415, (Word("How", 1.5, 1.7),), -0.5, 0.02),
)

SPEECH = {"input": "Hello.", "model": "tts-1", "voice": "alloy", "response_format": "pcm"}
WIDE_TOOL = {"type": "function", "name": "f", "parameters": {"enum": list(range(10_000))}}
"""A schema of too many values."""
LARGE_TOOLS = [{"type": "function", "name": "f", "description": "x" * 16_000}] * 40
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For a client that speaks plain HTTP: reading those of the machine takes 50 ms each time."""


@dataclass
class Script:
    """What the workers do, and what they were asked."""

    pieces: Sequence[bytes] = (b"\x01\x00" * 4800, b"\x02\x00" * 4800)
    fails_with: AntiphonError | None = None
    fails_after: int = 0
    """Pieces or segments before the failure."""
    hold: asyncio.Event | None = None
    """Waited for behind the first piece or segment."""
    hold_first: bool = False
    """True waits before the first one instead."""
    segments: Sequence[Segment] = SEGMENTS
    jobs: list[Job] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    async def speak(self, job: Job, emit: loop.Emit, bus: Bus) -> None:
        assert isinstance(job.work, Speak)
        await self._play(job, emit, [AudioReady(job.id, piece) for piece in self.pieces], SpeechDone(job.id))

    async def transcribe(self, job: Job, emit: loop.Emit, bus: Bus) -> None:
        assert isinstance(job.work, Transcribe)
        text = " ".join(segment.text for segment in self.segments if segment.text)
        seconds = len(job.work.audio) / 2 / job.work.rate_hz
        last = TranscriptReady(job.id, text, "en", seconds, tuple(self.segments))
        await self._play(job, emit, [SegmentReady(job.id, segment) for segment in self.segments], last)

    async def _play(self, job: Job, emit: loop.Emit, parts: Sequence[PipeEntry], last: PipeEntry) -> None:
        self.jobs.append(job)
        try:
            for index, part in enumerate(parts):
                if self.fails_with and index == self.fails_after:
                    raise self.fails_with
                if self.hold and (self.hold_first or index):
                    await self.hold.wait()
                await emit([part])
            await emit([last])
        except asyncio.CancelledError:
            self.cancelled.append(job.id)
            raise


@dataclass
class Stage:
    """The running server."""

    url: str
    client: httpx.AsyncClient
    services: RestServices
    script: Script
    bus: EmbeddedBus

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])


def told(state: Readiness) -> Callable[[], Awaitable[Readiness]]:
    """Return what tells this state to whoever asks."""

    async def readiness() -> Readiness:
        return state

    return readiness


@asynccontextmanager
async def stage(
    script: Script | None = None, *, keys: tuple[str, ...] = (), timeout_s: float = 20.0, **fields: Any
) -> AsyncIterator[Stage]:
    """Run a server whose client already sends the first key."""
    script = script or Script()
    clock = SystemClock()
    bus = embedded_bus(clock, strict=True)
    ephemeral = EphemeralSecrets(b"a secret key of the tests that is long")
    origins = fields.pop("allowed_origins", ())
    readiness = fields.pop("readiness", told(Readiness(ready=True, checks={"engines": True})))
    services = RestServices(
        **{
            "job_client": JobClient(bus, clock, timeout_s=timeout_s),
            "decoder": ThreadDecoder(),
            "access": Access(keys, ephemeral, clock, allowed_origins=origins),
            "ephemeral": ephemeral,
            "clock": clock,
            "metrics": Metrics(),
            "engines": ENGINES,
            "describe_session": lambda wish: describe(wish, Defaults(), now=clock.wall()),
            "waiting_audio": ByteBudget(2**30, most_per_account=2**30),
            **fields,
        }
    )
    handlers: dict[Queue, loop.Handler] = {"speak": script.speak, "transcribe": script.transcribe}
    stop, started = asyncio.Event(), asyncio.get_running_loop().create_future()
    names = {kind: engine.name for kind, engine in services.engines.items()}
    operation = OperationServices(services.access, services.metrics, readiness, names, "1.2.3")
    routes = (*bound(API_ROUTES, services), *bound(health.ROUTES, operation))
    site = bound(SITE_ROUTES, Description(lambda: describe_api(routes, "1.2.3")))
    methods = frozenset(route.method for route in routes)
    app = Cors(build_http((*routes, *site), services.access, services.metrics), services.access, methods)
    server = HttpServer(app, ServerOptions(port=0, shutdown_s=1))
    async with asyncio.TaskGroup() as group:
        workers = [
            group.create_task(loop.run(bus, queue, handler, queue, worker_options()))
            for queue, handler in handlers.items()
        ]
        serving = group.create_task(server.serve(stop=stop, ready=started.set_result))
        url = await started
        headers = {"authorization": f"Bearer {keys[0]}"} if keys else {}
        try:
            async with httpx.AsyncClient(base_url=url, headers=headers, timeout=20, verify=_NO_CERTIFICATES) as client:
                yield Stage(url, client, services, script, bus)
        finally:
            stop.set()
            await serving
            await bus.close()
            for worker in workers:
                worker.cancel()


def assert_error(answer: httpx.Response, status: int, code: str | None = None) -> dict[str, Any]:
    """Every error has one shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert isinstance(body["error"]["message"], str)
    assert body["error"]["message"]
    if code:
        assert body["error"]["code"] == code
    return body["error"]


async def bound_session(run: Stage, secret: str) -> dict[str, Any]:
    """Return the session that a secret was made for."""
    return json.loads(run.services.ephemeral.verify(secret, run.services.clock.wall()).session)


async def until(holds: Callable[[], bool]) -> None:
    """Return as soon as ``holds`` does; the timeout only bounds a hang."""
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.005)


async def hung_up(run: Stage, request: Coroutine[Any, Any, Any]) -> None:
    """Send a request, and hang up once a worker has its job."""
    asking = asyncio.create_task(request)
    await until(lambda: bool(run.script.jobs))
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking
