"""``antiphon events``: the logs of a data directory, dead events, and the lag."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from antiphon.cli.main import run
from antiphon.connections.redis import RedisConnection
from antiphon.entities.events import ANALYTICS, ANALYTICS_WORKERS, WEBHOOKS, Event
from antiphon.entities.history import Unit
from antiphon.events.redis.logs import RedisEventLogs
from antiphon.events.sqlite import SqliteEventLogs
from antiphon.ports.event_logs import EventLogs
from antiphon.store.sqlite import SqliteStore
from tests.valkey import valkey


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data directory of the commands."""
    monkeypatch.setenv("ANTIPHON_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def event(name: str, payload: bytes = b'{"n": 1}') -> Event:
    return Event("acme", name, "session.created", payload, 1.0, "sess_1", 1)


async def fill(logs: EventLogs) -> None:
    """Publish three events, of which a group cannot process two."""
    await logs.publish(ANALYTICS, [event("a"), event("b", b"\xff"), event("c")])
    subscription = logs.subscribe(ANALYTICS, WEBHOOKS, "one")
    for taken in (await subscription.take(3))[:2]:
        await subscription.bury(taken, "refused")


async def fill_files(data: Path) -> None:
    logs = SqliteEventLogs(data / "events.db")
    await logs.start()
    await fill(logs)
    await logs.close()
    store = SqliteStore(data / "antiphon.db")
    await store.start()
    await store.record([Unit(events=(event("planted"),))])
    await store.close()


async def fill_redis(url: str) -> None:
    connection = RedisConnection(url)
    await fill(RedisEventLogs(connection))
    await connection.close()


def command(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """Run ``antiphon events …`` and return what it printed, or its complaint."""
    with pytest.raises(SystemExit) as ended:
        run(["events", *words])
    said = capsys.readouterr()
    assert ended.value.code == code, said.err
    return said.err if code else said.out


def test_the_newest_events_of_a_log_are_lines_of_json(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(fill_files(data))
    lines = [json.loads(line) for line in command(capsys, "tail", ANALYTICS, "--lines", "2").splitlines()]
    assert [(line["event_id"], line["payload"]) for line in lines] == [("b", "\ufffd"), ("c", {"n": 1})]
    assert (lines[1]["tenant"], lines[1]["session_id"], lines[1]["type"]) == ("acme", "sess_1", "session.created")
    assert command(capsys, "tail", "events.ltm") == ""


def test_dead_events_are_listed_and_sent_again(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(fill_files(data))
    table = command(capsys, "dead")
    assert "webhooks:a" in table
    assert "refused" in table
    assert [row["dead_id"] for row in json.loads(command(capsys, "dead", "--json"))] == ["webhooks:a", "webhooks:b"]
    assert command(capsys, "retry", "webhooks:b").strip() == "1 events were sent again"
    assert "1 of these ids are no dead events; 0 were sent again" in command(capsys, "retry", "webhooks:b", code=1)
    assert command(capsys, "retry", "--all").strip() == "1 events were sent again"
    assert json.loads(command(capsys, "dead", "--json")) == []
    for words in ((), ("x", "--all")):
        assert "name dead events, or give --all" in command(capsys, "retry", *words, code=1)


def test_the_lag_counts_a_planted_row_of_the_outbox(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(fill_files(data))
    found = json.loads(command(capsys, "lag", "--json"))
    assert {row["log"]: row["count"] for row in found["undelivered"]} == {
        ANALYTICS: 1, "events.ltm": 0, "events.plugins": 0,
    }  # fmt: skip
    groups = {row["group"]: (row["unread"], row["pending"]) for row in found["groups"]}
    assert groups == {ANALYTICS_WORKERS: (3, 0), WEBHOOKS: (0, 1), "ltm-workers": (0, 0)}
    assert "a11y-workers" in command(capsys, "lag")


def test_over_redis_the_same_is_shown(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with valkey() as server:
        asyncio.run(fill_redis(server.url))
        monkeypatch.setenv("ANTIPHON_REDIS_URL", server.url)
        assert len(command(capsys, "tail", ANALYTICS).splitlines()) == 3
        assert len(json.loads(command(capsys, "dead", "--json"))) == 2
        assert command(capsys, "retry", "--all").strip() == "2 events were sent again"


def test_without_logs_the_command_says_where_it_looked(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert str(data) in command(capsys, "dead", code=1)


def test_the_lag_on_postgresql_needs_the_role_that_sees_all_tenants(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTIPHON_DATABASE_URL", "postgresql://antiphon_app@127.0.0.1:1/antiphon")
    assert "ANTIPHON_DATABASE_JOBS_URL" in command(capsys, "lag", code=1)


def test_an_unknown_log_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(["events", "tail", "events.unknown"])
    assert "events.unknown" in capsys.readouterr().err
