"""Items and sessions out of two places: each once, in order, the newest version of it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from antiphon.conversation.state import State
from antiphon.errors import InvalidRequest, NotFound, ProviderUnavailable
from antiphon.ports.sessions import Change
from tests.unit.doors.history.stage import LASTS_S, Stage, live, pages, row, session, staged, versions


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as made:
        yield made


async def listed(stage: Stage, limit: int = 100, after: str | None = None, **fields: Any) -> list[tuple[str, int]]:
    given = {"tenant": "t", "session_id": "s", "oldest_first": True, **fields}
    return versions((await stage.reader.items(limit=limit, after=after, **given)).items)


# -- items -------------------------------------------------------------------------------------------------------------
async def test_items_of_a_session_that_is_over_come_from_the_database(stage: Stage) -> None:
    rows = [row("a", 1), row("b", 2, 3)]
    await stage.stored(*rows)
    page = await stage.reader.items("t", "s", limit=2, after=None, oldest_first=True)
    assert (list(page.items), page.has_more) == (rows, False)
    page = await stage.reader.items("t", "s", limit=1, after=None, oldest_first=False)
    assert (list(page.items), page.has_more) == (rows[1:], True)


async def test_items_that_are_not_in_the_database_yet_come_from_the_saved_session(stage: Stage) -> None:
    await stage.saved("s", live("a", 1), live("b", 2, interrupted=True))
    first, second = (await stage.reader.items("t", "s", limit=2, after=None, oldest_first=True)).items
    assert (first.item_id, first.session_id, first.tenant, first.interrupted) == ("a", "s", "t", False)
    assert msgspec.json.decode(first.content)["content"] == [{"type": "input_text", "text": "a 1"}]
    assert first.created_at == stage.clock.wall()
    assert second.interrupted


async def test_the_newer_version_of_an_item_is_shown_wherever_it_is(stage: Stage) -> None:
    await stage.saved("s", live("a", 1, 2), live("b", 2, 1), live("c", 3, 2))
    await stage.stored(row("a", 1, 1), row("b", 2, 2), row("c", 3, 2))
    items = (await stage.reader.items("t", "s", limit=9, after=None, oldest_first=True)).items
    assert versions(items) == [("a", 2), ("b", 2), ("c", 2)]
    assert b"a 2" in items[0].content
    assert [item.created_at for item in items] == [101.0, 102.0, 103.0], "the time of its record stays"


async def test_an_item_that_was_deleted_is_not_listed_and_is_still_a_cursor(stage: Stage) -> None:
    await stage.saved("s", live("a", 1), live("c", 3))
    await stage.stored(row("a", 1), row("b", 2, 2, deleted=True), row("c", 3))
    assert await listed(stage) == [("a", 1), ("c", 1)]
    assert await listed(stage, after="b") == [("c", 1)]
    assert await listed(stage, after="b", oldest_first=False) == [("a", 1)]


async def test_an_item_that_is_not_finished_is_not_listed(stage: Stage) -> None:
    await stage.saved("s", live("a", 1), live("b", 2, revision=0))
    assert await listed(stage) == [("a", 1)]


async def test_what_is_left_of_an_item_that_the_session_no_longer_has_is_not_listed(stage: Stage) -> None:
    claimed = await stage.saved("s", live("a", 1), live("b", 2))
    kept = await stage.sessions.peek("t", "s")
    assert kept is not None
    await stage.saved("other", live("a", 1))
    without = await stage.sessions.peek("t", "other")
    assert without is not None
    await stage.sessions.save(claimed, Change(without.snapshot, 2))
    assert await listed(stage) == [("a", 1)]


async def test_items_that_moved_to_a_former_page_are_not_listed_again(stage: Stage) -> None:
    await stage.stored(*(row(name, at) for at, name in enumerate("abcd", 1)))
    await stage.saved("s", live("a", 1), live("b", 2), live("c", 30, 2), live("d", 40, 2))
    assert await pages(stage.reader, 1, oldest_first=False) == [("d", 2), ("c", 2), ("b", 1), ("a", 1)]
    assert await pages(stage.reader, 1, oldest_first=True) == [("a", 1), ("b", 1), ("c", 2), ("d", 2)]


async def test_an_id_that_the_database_changes_is_the_same_in_both_places(stage: Stage) -> None:
    await stage.saved("s", live("a\0", 1), live("b", 2))
    await stage.stored(row("b", 2))
    assert await listed(stage) == [("a\ufffd", 1), ("b", 1)]
    assert await listed(stage, after="a\ufffd") == [("b", 1)]
    await stage.stored(row("a\ufffd", 1))
    assert await listed(stage) == [("a\ufffd", 1), ("b", 1)]


async def test_a_saved_session_of_another_version_is_passed_over(stage: Stage) -> None:
    claimed = await stage.sessions.claim("t", "s", "g1")
    await stage.sessions.save(claimed, Change(b"foreign", 1, items={"a": b"foreign"}))
    await stage.stored(session(model="m"), row("a", 1))
    with capture_logs() as logs:
        assert await listed(stage) == [("a", 1)]
        assert (await stage.reader.session("t", "s")).model == "m"
    assert [log["event"] for log in logs] == ["saved items are unreadable", "saved session is unreadable"]


@pytest.mark.parametrize("after", ["none", "", "a\0", "\ud800", "other"])
@pytest.mark.parametrize("place", ["saved", "stored"])
async def test_an_unknown_cursor_is_refused(stage: Stage, after: str, place: str) -> None:
    await (stage.saved("s", live("a", 1)) if place == "saved" else stage.stored(row("a", 1)))
    await stage.stored(row("other", 1, session="s2"), row("other", 1, tenant="u"))
    with pytest.raises(InvalidRequest) as refused:
        await listed(stage, after=after)
    assert (refused.value.param, refused.value.code) == ("after", "unknown_cursor")


async def test_a_session_without_items_has_an_empty_list(stage: Stage) -> None:
    await stage.stored(session("old"))
    await stage.saved("new")
    for name in ("old", "new"):
        page = await stage.reader.items("t", name, limit=1, after=None, oldest_first=True)
        assert (list(page.items), page.has_more) == ([], False)


@pytest.mark.parametrize("name", ["none", "s\0", "\udfff", "sess_" + "x" * 5000, "}", "s", "t s"])
async def test_a_session_is_unknown_also_if_another_tenant_has_it(stage: Stage, name: str) -> None:
    await stage.saved("s", live("a", 1), tenant="u")
    await stage.stored(session("s", tenant="u"), row("a", 1, tenant="u"))
    for asked in (
        stage.reader.items("t", name, limit=1, after=None, oldest_first=True),
        stage.reader.session("t", name),
    ):
        with pytest.raises(NotFound) as refused:
            await asked
        assert refused.value.code == "session_not_found"
        refused.value.message.encode()


async def test_a_cursor_of_another_tenants_session_is_as_unknown_as_any(stage: Stage) -> None:
    await stage.saved("s", live("a", 1), tenant="u")
    await stage.stored(session("s", tenant="u"), row("a", 1, tenant="u"))
    messages = set[str]()
    for name in ("s", "n"):
        with pytest.raises(NotFound) as refused:
            await listed(stage, session_id=name, after="a")
        messages.add(refused.value.message.replace(f"'{name}'", "it"))
    assert len(messages) == 1


_KINDS = st.sampled_from(["saved", "stored", "both", "newer saved", "newer stored", "deleted"])


def test_any_split_of_items_is_paged_with_each_item_once_in_order(tmp_path: Path) -> None:
    number = itertools.count()

    async def check(stage: Stage, kinds: list[str], gaps: list[int], limit: int) -> None:
        name, position = f"s{next(number)}", 0
        hot, cold, expected = [], [session(name)], list[tuple[str, int]]()
        for at, kind in enumerate(kinds):
            position += gaps[at]
            item_id = f"i{(at * 7) % 10}{at}"  # ids are in another order than positions
            if kind in ("saved", "both", "newer saved", "newer stored"):
                hot.append(live(item_id, position, 3 if kind == "newer saved" else 2))
            if kind != "saved":
                revision = {"newer stored": 3, "newer saved": 1}.get(kind, 2)
                cold.append(row(item_id, position, revision, name, deleted=kind == "deleted"))
            if kind != "deleted":
                expected.append((item_id, 3 if kind.startswith("newer") else 2))
        await stage.saved(name, *hot)
        await stage.stored(*cold)
        assert await pages(stage.reader, limit, oldest_first=True, session_id=name) == expected
        assert await pages(stage.reader, limit, oldest_first=False, session_id=name) == expected[::-1]

    with asyncio.Runner() as runner:
        scene = staged(tmp_path)
        stage = runner.run(scene.__aenter__())

        @given(st.lists(_KINDS, max_size=6), st.lists(st.integers(1, 2**33), min_size=6, max_size=6), st.integers(1, 3))
        def property_holds(kinds: list[str], gaps: list[int], limit: int) -> None:
            runner.run(check(stage, kinds, gaps, limit))

        try:
            property_holds()
        finally:
            runner.run(scene.__aexit__(None, None, None))


# -- sessions ----------------------------------------------------------------------------------------------------------
async def test_a_session_that_is_over_is_as_the_database_has_it(stage: Stage) -> None:
    over = session(status="expired", closed_at=90.0, model="m", config=b'{"a":1}', key_id="key_1")
    await stage.stored(over)
    assert await stage.reader.session("t", "s") == over


async def test_a_connected_session_has_its_live_configuration(stage: Stage) -> None:
    def brief(state: State) -> None:
        state.session = msgspec.structs.replace(state.session, instructions="Be brief.")

    await stage.stored(session(model="m", config=b'{"instructions":"old"}'))
    await stage.saved("s", change=brief)
    found = await stage.reader.session("t", "s")
    assert (found.status, found.created_at, found.model) == ("connected", 10.0, "live")
    assert msgspec.json.decode(found.config)["instructions"] == "Be brief."


async def test_a_session_that_is_not_in_the_database_yet_is_described_by_what_is_saved(stage: Stage) -> None:
    record = await stage.saved("s")
    found = await stage.reader.session("t", "s")
    assert (found.status, found.model, found.key_id) == ("connected", "live", "key_1")
    assert (found.conversation_id, found.closed_at) == ("conv_seed", None)
    await stage.sessions.end(record, resumable=True)
    assert (await stage.reader.session("t", "s")).status == "disconnected"
    await stage.sessions.stop("t", "s")
    with pytest.raises(NotFound):
        await stage.reader.session("t", "s")


async def test_a_session_whose_server_was_killed_is_shown_as_disconnected(stage: Stage) -> None:
    await stage.stored(session("killed"), session("lives"))
    await stage.saved("lives")
    assert (await stage.reader.session("t", "killed")).status == "disconnected"
    found = {one.session_id: one.status for one in (await sessions(stage)).sessions}
    assert found == {"killed": "disconnected", "lives": "connected"}
    stage.clock.advance(31)
    assert (await stage.reader.session("t", "lives")).status == "disconnected", "it may be resumed"


async def test_a_session_of_another_kind_is_connected_until_the_longest_duration(stage: Stage) -> None:
    await stage.stored(session("new", stage.clock.wall() - LASTS_S / 2, kind="translation"))
    await stage.stored(session("old", stage.clock.wall() - LASTS_S - 1, kind="translation"))
    assert (await stage.reader.session("t", "new")).status == "connected"
    assert (await stage.reader.session("t", "old")).status == "disconnected"


async def sessions(stage: Stage, **given: Any) -> Any:
    query = {"limit": 9, "after": None, "oldest_first": False, "since": None, "until": None, "kind": None, **given}
    return await stage.reader.sessions("t", **query)


async def test_sessions_are_paged_by_the_id_of_the_last_one(stage: Stage) -> None:
    await stage.stored(*(session(f"s{number}", float(number // 2)) for number in range(5)), session("x", tenant="u"))
    for oldest_first in (True, False):
        found, after = list[str](), None
        while True:
            page = await sessions(stage, limit=2, after=after, oldest_first=oldest_first)
            found += [one.session_id for one in page.sessions]
            if not page.has_more:
                break
            after = found[-1]
        assert found == [f"s{number}" for number in range(5)][:: 1 if oldest_first else -1]
    page = await sessions(stage, since=1.0, until=2.0, kind="realtime")
    assert [one.session_id for one in page.sessions] == ["s3", "s2"]


@pytest.mark.parametrize("after", ["none", "", "s\0", "\ud800", "theirs"])
async def test_an_unknown_cursor_of_sessions_is_refused(stage: Stage, after: str) -> None:
    await stage.stored(session("s"), session("theirs", tenant="u"))
    with pytest.raises(InvalidRequest) as refused:
        await sessions(stage, after=after)
    assert (refused.value.param, refused.value.code) == ("after", "unknown_cursor")


# -- failures ----------------------------------------------------------------------------------------------------------
async def test_while_redis_is_away_the_database_alone_is_read(stage: Stage) -> None:
    await stage.saved("s", live("a", 1, 2), live("b", 2))
    await stage.stored(session(model="m"), row("a", 1))
    stage.sessions.is_away = True
    with capture_logs() as logs:
        assert await listed(stage) == [("a", 1)]
        assert await stage.reader.session("t", "s") == session(model="m")
        assert list((await sessions(stage)).sessions) == [session(model="m")]
    assert {log["event"] for log in logs} == {"saved sessions are unavailable, the database alone is read"}


async def test_while_redis_is_away_nobody_can_say_that_a_session_is_unknown(stage: Stage) -> None:
    stage.sessions.is_away = True
    with pytest.raises(ProviderUnavailable):
        await stage.reader.session("t", "s")
    with pytest.raises(ProviderUnavailable):
        await listed(stage)


@pytest.mark.parametrize("name", ["}", "{", "s t", "ä", "s" * 129])
async def test_redis_is_not_asked_for_an_id_that_no_live_session_has(stage: Stage, name: str) -> None:
    stage.sessions.is_away = True
    for asked in (listed(stage, session_id=name), stage.reader.session("t", name)):
        with pytest.raises(NotFound):
            await asked


async def test_without_a_database_reading_fails(stage: Stage) -> None:
    await stage.saved("s", live("a", 1))
    await stage.store.close()
    for asked in (listed(stage), stage.reader.session("t", "s"), sessions(stage)):
        with pytest.raises(ProviderUnavailable) as failed:
            await asked
        assert failed.value.code == "store_unavailable"
