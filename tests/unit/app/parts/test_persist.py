"""The persist part: rows of conversations, written for gateways without a database."""

from __future__ import annotations

from pathlib import Path

from antiphon.app.services import Rows
from antiphon.store.queued import QueuedRecorder
from antiphon.store.sqlite import SqliteStore
from antiphon.store.writer import StoreWriter
from tests.unit.app.stage import added_by, services_of


async def test_a_single_process_writes_without_a_queue(tmp_path: Path) -> None:
    async with services_of(tmp_path) as services:
        assert not added_by("persist", "persist", services).work


async def test_where_rows_go_through_a_queue_batches_are_written_at_a_time(tmp_path: Path) -> None:
    async with services_of(tmp_path) as services:
        sqlite = SqliteStore(tmp_path / "antiphon.db")
        queued = QueuedRecorder(services.shared.bus)
        services.rows = Rows(sqlite, StoreWriter(queued), StoreWriter(sqlite))
        works = added_by("persist", "persist", services).work
    assert [(work.queue, work.slots, work.patient_slots) for work in works] == [("record", 8, 0), ("persist", 8, 0)]
