"""``antiphon jobs``: dead letters of a real Valkey, as a table and as JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from antiphon.bus.redis.bus import RedisBus
from antiphon.cli.main import run
from antiphon.connections.redis import RedisConnection
from antiphon.wire.jobs import Job, Speak, Translate
from tests.options import pipe_limit, queue_limit
from tests.valkey import valkey


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with valkey() as server:
        yield server.url


async def bury(url: str, *jobs: Job) -> None:
    """Submit jobs, and fail them one after the other."""
    connection = RedisConnection(url)
    await connection.command("FLUSHDB")
    bus = RedisBus(connection, queue_limit(), pipe_limit())
    await bus.start()
    for job in jobs:
        await bus.submit(job)
        await (await anext(bus.claim(job.queue, "w"))).bury(f"ProviderTimeout: {job.id}")
    await bus.close()
    await connection.close()


def command(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[str, str]:
    """Run ``antiphon jobs …`` and return what it printed and said."""
    with pytest.raises(SystemExit) as ended:
        run(["jobs", *words])
    assert ended.value.code == code
    said = capsys.readouterr()
    return said.out, said.err


def test_the_dead_letters_of_all_queues_are_listed_oldest_first(
    url: str, stubs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spoken = Job("job-a", "speak", Speak("a secret"), "out:a", tenant="acme", correlation_id="sess_1")
    translated = Job("job-b", "translate", Translate("a secret", "de"), "out:b", session_id="sess_2")
    asyncio.run(bury(url, translated, spoken))
    monkeypatch.setenv("ANTIPHON_REDIS_URL", url)
    monkeypatch.setenv("COLUMNS", "200")
    rows = json.loads(command(capsys, "dead", "--json")[0])
    assert [(row["job_id"], row["queue"], row["reason"]) for row in rows] == [
        ("job-b", "translate", "ProviderTimeout: job-b"),
        ("job-a", "speak", "ProviderTimeout: job-a"),
    ]
    assert (rows[1]["tenant"], rows[1]["correlation_id"], rows[1]["attempt"]) == ("acme", "sess_1", 1)
    table = command(capsys, "dead")[0]
    assert table.index("job-b") < table.index("job-a")
    assert "secret" not in table


def test_a_fleet_without_dead_letters_has_an_empty_list(
    url: str, stubs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(bury(url))
    monkeypatch.setenv("ANTIPHON_REDIS_URL", url)
    assert json.loads(command(capsys, "dead", "--json")[0]) == []


def test_without_redis_the_command_says_where_failed_jobs_are(stubs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "in the log" in command(capsys, "dead", code=1)[1]
