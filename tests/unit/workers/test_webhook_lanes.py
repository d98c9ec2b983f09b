"""Sending to one endpoint: bounds, results and what is logged of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from antiphon.clock import VirtualClock
from antiphon.observe.webhook_metrics import WebhookMetrics
from antiphon.providers.webhooks import HttpWebhookSender
from antiphon.webhooks.endpoints import Endpoint
from antiphon.webhooks.progress import Failure, Progress
from antiphon.workers.webhook_lanes import Lane
from tests.fakes.webhook_server import Hang, Raw, Reply, Step, WebhookServer

KEY = b"k" * 32
NOW = 1_700_000_000.0


@pytest.fixture
async def server() -> AsyncIterator[WebhookServer]:
    async with WebhookServer().running() as running:
        yield running


@pytest.fixture
async def sender() -> AsyncIterator[HttpWebhookSender]:
    made = HttpWebhookSender(1.0)
    yield made
    await made.close()


def lane_to(
    server: WebhookServer, sender: HttpWebhookSender, registry: CollectorRegistry | None = None, **bounds: Any
) -> Lane:
    metrics = WebhookMetrics(registry or CollectorRegistry())
    endpoint = Endpoint(server.url, "1:127.0.0.1")
    return Lane(endpoint, KEY, sender, VirtualClock(wall=NOW), metrics, **bounds, uniform=lambda: 0.0)


@pytest.mark.parametrize(("step", "result", "failure"), [
    (Reply(200), "delivered", None),
    (Reply(302, {"location": "/x"}), "refused", Failure(1, "answered 302", NOW + 5)),
    (Reply(404), "refused", Failure(1, "answered 404", NOW + 5)),
    (Reply(429, {"retry-after": "60"}), "refused", Failure(1, "answered 429", NOW + 60)),
    (Reply(503, {"retry-after": "1e9"}), "refused", Failure(1, "answered 503", NOW + 3600)),
    (Raw(b"x"), "unreachable", Failure(1, "cannot be reached or broke off", NOW + 5)),
    (Hang(), "timeout", Failure(1, "gave no answer in time", NOW + 5)),
    (Reply(410), "gone", None),
])  # fmt: skip
async def test_an_attempt_is_noted_and_counted(
    server: WebhookServer, sender: HttpWebhookSender, step: Step, result: str, failure: Failure | None
) -> None:
    registry, progress = CollectorRegistry(), Progress()
    server.script = [step]
    lane = lane_to(server, sender, registry)
    await lane.send("evt_1", b"{}", progress)
    assert progress.failed.get(lane.endpoint.name) == failure
    assert (lane.endpoint.name in progress.taken) == (result == "delivered")
    assert progress.gone == ({lane.endpoint.name: "answered 410"} if result == "gone" else {})
    assert registry.get_sample_value("webhook_attempts_total", {"result": result}) == 1.0


async def test_an_attempt_has_the_time_of_its_own(server: WebhookServer, sender: HttpWebhookSender) -> None:
    lane = lane_to(server, sender)
    await lane.send("evt_1", b"{}", Progress())
    assert server.received[0].headers["webhook-timestamp"] == str(int(NOW))


async def test_an_endpoint_that_hangs_holds_a_bounded_number_of_events(
    server: WebhookServer, sender: HttpWebhookSender
) -> None:
    registry, progress = CollectorRegistry(), Progress()
    server.usual = Hang()
    lane = lane_to(server, sender, registry, most_sends=1, most_open=2, room_s=0.05)
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(lane.send("evt_1", b'{"id": "evt_1"}', Progress())) for _ in range(2)]
        await server.until(1)
        await lane.send("evt_2", b"{}", progress)
        assert progress.reason([lane.endpoint]) == "1:127.0.0.1 has too many open requests"
        assert len(server.received) == 1
        for one in waiting:
            one.cancel()
    assert registry.get_sample_value("webhook_attempts_total", {"result": "busy"}) == 1.0
    server.usual = Reply(200)
    await lane.send("evt_3", b"{}", progress)
    assert lane.endpoint.name in progress.taken


async def test_the_log_tells_that_an_endpoint_fails_and_recovers_without_its_url(
    server: WebhookServer, sender: HttpWebhookSender
) -> None:
    server.script = [Reply(200), Reply(500), Reply(500), Reply(200), Reply(200)]
    lane = lane_to(server, sender)
    with capture_logs() as logs:
        for _ in range(5):
            await lane.send("evt_1", b'{"secret": "pa55word"}', Progress())
    assert [one["event"] for one in logs] == [
        "webhook endpoint failed",
        "webhook endpoint recovered",
    ]
    assert "s3cret" not in str(logs)
    assert "pa55word" not in str(logs)
