"""Services are created once, on first use, and say what they need while the process runs."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from antiphon.app.services import Services, process_id
from antiphon.errors import InvalidRequest
from antiphon.observe.work_metrics import SpeechMetrics
from antiphon.wire.jobs import Persist
from tests.fakes.engines import ScriptedTurn
from tests.postgres import create, migrated
from tests.unit.app.stage import services_of


async def test_a_service_is_created_once_for_all_parts(tmp_path: Path) -> None:
    made: list[Services] = []

    def make(services: Services) -> object:
        made.append(services)
        return object()

    async with services_of(tmp_path) as services:
        assert services.once(make) is services.once(make)
        assert made == [services]
        assert services.measures(SpeechMetrics) is services.measures(SpeechMetrics)
        assert services.access is services.access
        assert services.client_secrets is services.client_secrets


@pytest.mark.parametrize(("is_remote", "local", "slots"), [(False, 3, 3), (True, 3, 64), (True, 100, 100)])
async def test_only_a_remote_engine_has_the_slots_of_service_calls(
    tmp_path: Path, is_remote: bool, local: int, slots: int
) -> None:
    class Turn(ScriptedTurn):
        capabilities = replace(ScriptedTurn([]).capabilities, is_remote=is_remote)

    async with services_of(tmp_path, service_calls=64) as services:
        assert services.slots(Turn([]), local) == slots


async def test_a_process_that_stores_nothing_opens_no_database(tmp_path: Path) -> None:
    async with services_of(tmp_path) as services:
        assert services.opened_rows is None
        assert services.checks() == {}
        assert services.lifetime.tasks == {}


async def test_rows_are_written_to_the_database_itself_in_a_single_process(tmp_path: Path) -> None:
    async with services_of(tmp_path) as services:
        rows = services.rows
        assert rows.writer is rows.database
        assert services.opened_rows is rows
        assert services.checks() == {"database": True}
        assert list(services.lifetime.tasks) == ["store writer"]
        assert services.lifetime.starts == [rows.store.start]
        assert services.lifetime.closes == [rows.store.close]


async def test_decoders_run_and_close_with_the_process(tmp_path: Path) -> None:
    async with services_of(tmp_path) as services:
        assert services.decoders is services.decoders
        assert services.lifetime.tasks == {"decoders": services.decoders.run}
        assert services.lifetime.closes == [services.decoders.close]


def test_a_process_is_named_by_its_role_host_and_number() -> None:
    role, *host, number = process_id(Persist.queue).split("-")
    assert role == "persist"
    assert "-".join(host) == socket.gethostname()
    assert number == str(os.getpid())


async def test_postgresql_is_migrated_at_the_start_only_when_told_so_and_by_its_owner(
    tmp_path: Path, postgres_url: str
) -> None:
    empty = await create(postgres_url)
    url, owner_url = empty.url("antiphon_app"), empty.url("antiphon_owner")
    names = {"database_url": url, "database_owner_url": owner_url}
    with pytest.raises(InvalidRequest, match="antiphon db upgrade"):
        await begin(tmp_path, **names)
    with pytest.raises(InvalidRequest, match="ANTIPHON_DATABASE_OWNER_URL is not set"):
        await begin(tmp_path, database_url=url, database_migrate=True)
    await begin(tmp_path, **names, database_migrate=True)
    await begin(tmp_path, database_url=url)


JOBS_URL = "ANTIPHON_DATABASE_JOBS_URL"


async def test_upkeep_of_a_file_is_that_of_its_store(tmp_path: Path) -> None:
    async with services_of(tmp_path, database_retention_days=30) as services:
        assert services.upkeep is services.upkeep
        assert services.lifetime.starts == [services.rows.store.start]
    async with services_of(tmp_path, database_jobs_url="postgresql://jobs@db/antiphon") as services:
        with pytest.raises(InvalidRequest, match=f"{JOBS_URL} is for PostgreSQL"):
            _ = services.upkeep


async def test_upkeep_of_postgresql_has_a_role_of_its_own_which_a_limit_needs(
    tmp_path: Path, postgres_url: str
) -> None:
    database = await migrated(postgres_url)
    url, jobs_url = database.url("antiphon_app"), database.url("antiphon_jobs")
    async with services_of(tmp_path, database_url=url, database_retention_days=30) as services:
        with pytest.raises(InvalidRequest, match=f"{JOBS_URL} is not set: ANTIPHON_DATABASE_RETENTION_DAYS") as refused:
            _ = services.upkeep
        assert refused.value.param == JOBS_URL
    await begin(tmp_path, database_url=url, database_jobs_url=jobs_url, database_retention_days=30)
    with pytest.raises(InvalidRequest, match=f"{JOBS_URL}: the role 'antiphon_app' is not a member of antiphon_jobs"):
        await begin(tmp_path, database_url=url, database_jobs_url=url)


async def begin(data_dir: Path, **settings: str | bool) -> None:
    """Open the rows of a process as its parts do, and close them."""
    async with services_of(data_dir, **settings) as services:
        rows, _ = services.rows, services.upkeep
        try:
            for start in services.lifetime.starts:
                await start()
            await rows.store.check()
        finally:
            for close in services.lifetime.closes:
                await close()
