"""When old rows are removed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.testing import capture_logs

from antiphon.clock import VirtualClock
from antiphon.errors import ProviderBusy
from antiphon.store.sql import SqlStore
from antiphon.store.upkeep import Upkeep
from tests.virtual_time import on_virtual_time


class Locked(SqlStore):
    """A database that fails, and remembers when it was asked."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__("sqlite")
        self._clock = clock
        self.asked_at: list[float] = []

    async def transact(self, work: Callable[[AsyncConnection], Awaitable[Any]]) -> Any:
        self.asked_at.append(self._clock.now())
        raise ProviderBusy("the database is locked", code="store_busy", detail="row 7")


@pytest.mark.parametrize(
    ("chance", "expected"), [(0.0, [45, 64_845, 129_645]), (0.5, [60, 86_460, 172_860]), (1.0, [75, 108_075, 216_075])]
)
def test_rows_are_removed_soon_after_the_start_and_then_every_day_though_the_database_fails(
    chance: float, expected: list[float]
) -> None:
    async def scenario(clock: VirtualClock) -> None:
        store = Locked(clock)
        with capture_logs() as logs, pytest.raises(TimeoutError):
            async with asyncio.timeout(expected[-1] + 1):
                await Upkeep(store, clock).run(lambda: chance)
        assert store.asked_at == expected
        assert [(entry["event"], entry["log_level"]) for entry in logs] == [
            ("removal of old rows failed", "warning")
        ] * 3
        assert logs[0]["reason"] == "the database is locked"

    on_virtual_time(scenario)()
