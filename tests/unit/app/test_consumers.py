"""A consumer of a process processes the events of its log."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from antiphon.app.consumers import consumer
from antiphon.entities.events import LTM, LTM_WORKERS, Event
from tests.unit.app.stage import services_of


async def test_its_handler_gets_what_is_published(tmp_path: Path) -> None:
    seen = asyncio.Event()
    given: list[Event] = []

    async def handle(events: Sequence[Event]) -> None:
        given.extend(events)
        seen.set()

    async with services_of(tmp_path) as services:
        made = consumer(services, LTM, LTM_WORKERS, handle)
        for start in services.lifetime.starts:
            await start()
        event = Event("t", "e", "ltm.write", b"{}", 1.0)
        await services.event_logs.publish(LTM, [event])
        running = asyncio.create_task(made())
        async with asyncio.timeout(20):
            await seen.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        for close in services.lifetime.closes:
            await close()
    assert given == [event]
