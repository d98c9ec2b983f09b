"""The persist part: rows of conversations, written for gateways without a database."""

from __future__ import annotations

from pathlib import Path

from structlog.testing import capture_logs

from antiphon.app.services import Rows
from antiphon.store.queued import QueuedRecorder
from antiphon.store.sqlite import SqliteStore
from antiphon.store.writer import StoreWriter
from tests.unit.app.stage import added_by, services_of


async def test_a_single_process_writes_without_a_queue(tmp_path: Path) -> None:
    async with services_of(tmp_path) as services:
        added = added_by("persist", "persist", services)
        assert not added.work
        assert services.upkeep is not None
        assert added.tasks == {"retention": services.upkeep.run}


async def test_where_rows_go_through_a_queue_batches_are_written_at_a_time(tmp_path: Path) -> None:
    async with services_of(tmp_path) as services:
        sqlite = SqliteStore(tmp_path / "antiphon.db")
        queued = QueuedRecorder(services.shared.bus)
        services.rows = Rows(sqlite, StoreWriter(queued), StoreWriter(sqlite))
        added = added_by("persist", "persist", services)
    assert [(work.queue, work.slots, work.patient_slots) for work in added.work] == [
        ("record", 8, 0),
        ("persist", 8, 0),
    ]
    assert list(added.tasks) == ["retention"]


async def test_postgresql_without_a_url_of_upkeep_keeps_rows_and_says_so(tmp_path: Path) -> None:
    async with services_of(tmp_path, database_url="postgresql://app@db/antiphon") as services:
        with capture_logs() as logs:
            assert added_by("persist", "persist", services).tasks == {}
    assert [(entry["event"], entry["setting"]) for entry in logs] == [
        ("retention and events are off: no URL of the role antiphon_jobs", "ANTIPHON_DATABASE_JOBS_URL")
    ]
