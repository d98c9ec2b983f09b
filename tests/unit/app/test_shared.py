"""What is known of shared queues and circuits."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from structlog.testing import capture_logs

from antiphon.app.settings import load_settings
from antiphon.app.shared import breaker_rule
from antiphon.clock import VirtualClock
from antiphon.errors import ProviderUnavailable
from antiphon.observe.metrics import Metrics
from antiphon.wire.jobs import Queue
from tests.unit.app.stage import services_of
from tests.virtual_time import on_virtual_time


def test_a_probe_may_take_both_steps_of_a_call() -> None:
    settings = load_settings(breaker_failures=2, breaker_open_s=3, breaker_slow_s=4, provider_timeout_s=5)
    rule = breaker_rule(settings)
    assert (rule.failures, rule.open_s, rule.slow_s, rule.probe_s) == (2, 3.0, 4.0, 10.0)


@on_virtual_time
async def test_queue_depths_are_read_again_and_again_also_after_a_failure(clock: VirtualClock) -> None:
    depths: dict[Queue, list[int]] = {"speak": [3, 5], "respond": [1, 2]}
    metrics = Metrics()

    async def depth(queue: Queue) -> int:
        left = depths[queue]
        if queue == "respond" and len(left) == 2:
            left.pop()
            raise ProviderUnavailable("Redis is down")
        return left.pop(0)

    def seen() -> tuple[float | None, ...]:
        return tuple(metrics.registry.get_sample_value("queue_depth", {"queue": name}) for name in depths)

    async with services_of(Path("nothing is written")) as services:
        watch = asyncio.create_task(replace(services.shared, depth=depth).watch_queues(metrics, tuple(depths)))
        with capture_logs() as lines:
            await asyncio.sleep(1)
        assert seen() == (3.0, 0.0)
        assert [(line["event"], line["queue"]) for line in lines] == [("queue depth unavailable", "respond")]
        await asyncio.sleep(5)
        assert seen() == (5.0, 1.0)
        assert clock.now() == 6.0
        watch.cancel()
