"""A decision about an attempt, carried out on the bus: acknowledged, released, buried, and reported."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from antiphon.bus.embedded import EmbeddedBus
from antiphon.clock import VirtualClock
from antiphon.errors import LeaseLost, ProviderBusy, ProviderRejected
from antiphon.observe.metrics import Metrics
from antiphon.ports.bus import Lease
from antiphon.resilience.budget import RetryBudget
from antiphon.wire.entries import JobFailed, PipeEntry
from antiphon.wire.jobs import Job, Speak
from antiphon.workers.completion import JobCompletion
from antiphon.workers.retry_policy import JobCancelled
from tests.options import embedded_bus, worker_options


class Stage:
    """A bus with one claimed job."""

    def __init__(self, *, retries: float = 10.0) -> None:
        self.clock = VirtualClock()
        self.bus: EmbeddedBus = embedded_bus(self.clock)
        self.metrics = Metrics()
        budget = RetryBudget(reserve=retries)
        options = worker_options(attempts=3)
        self.completion = JobCompletion(self.bus, options, self.clock, lambda: 0.0, self.metrics, budget)

    async def claimed(self) -> Lease:
        await self.bus.submit(Job("a", "speak", Speak("hi"), "out"))
        return await anext(aiter(self.bus.claim("speak", "w")))

    async def reported(self) -> PipeEntry:
        _, entry = await anext(self.bus.read("out"))
        return entry

    def dead(self) -> list[str]:
        return [letter.reason for letter in self.bus.dead_letters()]

    def errors(self, kind: str) -> float:
        return self.metrics.registry.get_sample_value("errors_total", {"area": "worker", "type": kind}) or 0.0


async def test_a_job_without_an_error_is_acknowledged() -> None:
    stage = Stage()
    assert await stage.completion.finish(await stage.claimed(), None, touched=True) == "done"
    assert (stage.bus.depth("speak"), stage.dead()) == (0, [])


async def test_cancelled_speech_is_acknowledged_and_logged_without_an_error() -> None:
    stage = Stage()
    with capture_logs() as lines:
        assert await stage.completion.finish(await stage.claimed(), JobCancelled("stop"), touched=True) == "cancelled"
    assert [line["event"] for line in lines] == ["tts.cancelled"]
    assert stage.errors("api_error") == 0.0


async def test_a_transient_failure_is_released_and_counted() -> None:
    stage = Stage()
    with capture_logs() as lines:
        assert await stage.completion.finish(await stage.claimed(), ProviderBusy("busy"), touched=False) == "retried"
    assert [(line["event"], line["error"], line["job_id"]) for line in lines] == [("job retried", "ProviderBusy", "a")]
    assert stage.errors("overloaded_error") == 1.0
    assert (stage.bus.depth("speak"), stage.dead()) == (1, [])


async def test_without_retries_in_the_budget_a_transient_failure_is_final() -> None:
    stage = Stage(retries=0.0)
    assert await stage.completion.finish(await stage.claimed(), ProviderBusy("busy"), touched=False) == "failed"
    assert stage.dead() == ["ProviderBusy: provider_busy (retry budget exhausted)"]


async def test_a_permanent_failure_is_reported_and_buried() -> None:
    stage = Stage()
    error = ProviderRejected("no", code="quota")
    assert await stage.completion.finish(await stage.claimed(), error, touched=False) == "failed"
    assert await stage.reported() == JobFailed.of("a", error)
    assert stage.dead() == ["ProviderRejected: quota"]


async def test_a_lost_lease_is_left_to_the_other_worker() -> None:
    stage = Stage()
    with capture_logs() as lines:
        assert await stage.completion.finish(await stage.claimed(), LeaseLost("gone"), touched=False) == "lost"
    assert [line["event"] for line in lines] == ["lease lost"]
    assert stage.dead() == []


@pytest.mark.parametrize(("touched", "depth", "dead"), [(False, 1, []), (True, 0, ["the worker was stopped"])])
async def test_a_stopping_worker_releases_a_job_unless_its_output_would_be_repeated(
    touched: bool, depth: int, dead: list[str]
) -> None:
    stage = Stage()
    await stage.completion.release(await stage.claimed(), touched=touched)
    assert (stage.bus.depth("speak"), stage.dead()) == (depth, dead)
    if touched:
        entry = await stage.reported()
        assert isinstance(entry, JobFailed)
        assert entry.code == "worker_stopped"
