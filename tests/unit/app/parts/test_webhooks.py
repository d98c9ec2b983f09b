"""The role that sends webhooks, in a process of its settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from antiphon.app.services import Services
from antiphon.entities.events import ANALYTICS, WEBHOOKS, Event
from tests.fakes.webhook_server import WebhookServer
from tests.unit.app.stage import added_by, services_of

SECRET = "s" * 24


@asynccontextmanager
async def running(services: Services) -> AsyncIterator[None]:
    added = added_by("webhooks", "webhook", services)
    for start in services.lifetime.starts:
        await start()
    task = asyncio.ensure_future(added.tasks["webhooks"]())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        for close in reversed(services.lifetime.closes):
            await close()


def event(kind: str) -> Event:
    return Event("t", f"evt_{kind}", kind, b"{}", 1.0)


async def until_done(services: Services) -> None:
    async with asyncio.timeout(30):
        while any(one.unread or one.pending for one in await services.event_logs.lags() if one.group == WEBHOOKS):
            await asyncio.sleep(0.01)


async def test_events_of_the_settings_are_posted_to_their_urls(tmp_path: Path) -> None:
    async with WebhookServer().running() as server:
        settings = {"webhook_hosts": "127.0.0.1", "webhook_urls": server.url, "webhook_secret": SECRET}
        async with services_of(tmp_path, **settings) as services, running(services):
            await services.event_logs.publish(ANALYTICS, [event("session.created"), event("AnalyticsChatStats")])
            await until_done(services)
        assert server.ids == ["evt_session.created"]


async def test_without_urls_events_are_acknowledged(tmp_path: Path) -> None:
    async with services_of(tmp_path) as services, running(services):
        await services.event_logs.publish(ANALYTICS, [event("session.created")])
        await until_done(services)
        assert list(await services.event_logs.dead()) == []
