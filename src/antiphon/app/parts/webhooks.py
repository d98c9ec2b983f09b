"""Webhooks: posts events of the analytics log to configured endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from antiphon.app.part import Added, Part
from antiphon.app.services import Services, process_id
from antiphon.entities.events import ANALYTICS, WEBHOOKS


def _work(services: Services) -> Added:
    from antiphon.observe.webhook_metrics import WebhookMetrics
    from antiphon.ports.settings import opened
    from antiphon.providers.webhooks import HttpWebhookSender
    from antiphon.webhooks.endpoints import parse_endpoints
    from antiphon.webhooks.signature import key_of
    from antiphon.workers.webhook_lanes import Lane
    from antiphon.workers.webhooks import WebhookOptions, WebhookWorker

    settings, clock, metrics = services.settings, services.clock, services.measures(WebhookMetrics)
    endpoints = parse_endpoints(settings.webhook_urls, settings.webhook_hosts)
    lanes: list[Lane] = []
    if endpoints:
        key = key_of(opened(settings.webhook_secret))
        sender = HttpWebhookSender(settings.webhook_timeout_s, clock)
        services.lifetime.closes.append(sender.close)
        lanes = [Lane(one, key, sender, clock, metrics) for one in endpoints]
    subscription = services.event_logs.subscribe(ANALYTICS, WEBHOOKS, process_id("webhook"))
    options = WebhookOptions(
        types=frozenset(settings.webhook_events),
        retry_s=settings.webhook_retry_s,
        heartbeat_s=settings.bus_lease_s / 3,
    )
    return Added(tasks={"webhooks": WebhookWorker(subscription, lanes, options, clock, metrics).run})


def _metrics() -> Sequence[Any]:
    from antiphon.observe.webhook_metrics import WebhookMetrics

    return (WebhookMetrics,)


PART = Part(adds={"webhook": _work}, metrics=_metrics)
