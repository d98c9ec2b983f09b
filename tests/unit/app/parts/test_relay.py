"""The relay part: one task a log, and none without a database that it may read."""

from __future__ import annotations

from pathlib import Path

from tests.unit.app.stage import added_by, services_of


async def test_each_log_has_a_task_and_the_lag_is_watched(tmp_path: Path) -> None:
    async with services_of(tmp_path) as services:
        added = added_by("relay", "relay", services)
    assert list(added.tasks) == ["relay events.ltm", "relay events.analytics", "lag of events"]


async def test_without_the_role_of_all_tenants_nothing_is_relayed(tmp_path: Path) -> None:
    async with services_of(tmp_path, database_url="postgresql://app@db/antiphon") as services:
        assert added_by("relay", "relay", services).tasks == {}
