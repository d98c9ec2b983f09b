"""The file of the event logs: who may read it, and what becomes of a broken one."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.clock import VirtualClock
from antiphon.entities.events import ANALYTICS, WEBHOOKS, Event
from antiphon.errors import ProviderUnavailable
from antiphon.events.limits import LogLimit
from antiphon.events.sqlite import SqliteEventLogs

EVENT = Event("t", "e", "a", b"{}", 1.0)


async def test_events_survive_the_process_and_the_file_is_the_owners(tmp_path: Path) -> None:
    path = tmp_path / "data" / "events.db"
    first = SqliteEventLogs(path)
    await first.start()
    await first.publish(ANALYTICS, [EVENT])
    await first.close()
    await first.close()
    assert path.stat().st_mode & 0o077 == 0
    second = SqliteEventLogs(path)
    await second.start()
    assert [one.event for one in await second.tail(ANALYTICS)] == [EVENT]
    await second.close()


async def test_a_closed_file_is_unavailable(tmp_path: Path) -> None:
    logs = SqliteEventLogs(tmp_path / "events.db")
    with pytest.raises(ProviderUnavailable):
        await logs.lags()
    await logs.start()
    await logs.close()
    with pytest.raises(ProviderUnavailable):
        await logs.publish(ANALYTICS, [EVENT])


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be one", None])
async def test_a_file_that_is_none_is_unavailable(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "events.db"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content * 100)
    with pytest.raises(ProviderUnavailable):
        await SqliteEventLogs(path).start()


async def test_a_lease_and_a_delay_run_on_the_clock(tmp_path: Path) -> None:
    clock = VirtualClock()
    logs = SqliteEventLogs(tmp_path / "events.db", LogLimit(lease_s=5.0), clock)
    await logs.start()
    await logs.publish(ANALYTICS, [EVENT])
    one, two = (logs.subscribe(ANALYTICS, WEBHOOKS, name) for name in ("one", "two"))
    (taken,) = await one.take(1)
    await one.postpone(taken.position, 3.0)
    clock.advance(2.9)
    assert await one.take(1) == []
    clock.advance(0.2)
    assert len(await one.take(1)) == 1
    clock.advance(4.9)
    assert await two.take(1) == []
    clock.advance(0.2)
    assert len(await two.take(1)) == 1
    await logs.close()
