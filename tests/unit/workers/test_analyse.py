"""Events become rows without personal data, and new ones are counted."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from antiphon.entities.analytics import AnalyticsRow
from antiphon.entities.events import Event
from antiphon.errors import InvalidRequest
from antiphon.observe.analytics_metrics import AnalyticsMetrics
from antiphon.store.analytics import SqlAnalytics
from antiphon.store.sqlite import SqliteStore
from antiphon.workers.analyse import Analyser, to_row

WORDS = {"provider", "outcome", "status", "kind", "model", "name", "action", "reason", "language"}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=70), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from([*sorted(WORDS), "turn", "sessionId", "session_id", "correlationId", "amounts", "ttft_ms"])


def event(payload: bytes = b"{}", kind: str = "AnalyticsChatStats", name: str = "e", session: str = "s") -> Event:
    return Event("t", name, kind, payload, 12.5, session)


def row_of(**payload: Any) -> AnalyticsRow:
    return to_row(event(json.dumps(payload).encode(), session=""))


def kept(**payload: Any) -> dict[str, Any]:
    """Return what a row keeps of a payload."""
    return json.loads(row_of(**payload).fields)


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    if isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)


def test_a_row_has_the_columns_and_figures_of_its_event() -> None:
    payload = {"type": "x", "correlationId": "s#4", "sessionId": "other", "turn": 4, "ttft_ms": 1.5, "status": "failed"}
    assert to_row(event(json.dumps(payload).encode())) == AnalyticsRow(
        "t", "e", "AnalyticsChatStats", "s", 4, "s#4", 12.5, b'{"ttft_ms":1.5,"status":"failed"}'
    )


@pytest.mark.parametrize("name", ["sessionId", "session_id"])
def test_a_session_of_the_payload_serves_where_the_event_names_none(name: str) -> None:
    assert row_of(**{name: "mine"}).session_id == "mine"


@pytest.mark.parametrize("wrong", [None, 5, ["s"], {"a": "s"}, "s" * 257])
def test_ids_of_a_wrong_form_are_left_out(wrong: Any) -> None:
    made = row_of(sessionId=wrong, correlationId=wrong)
    assert (made.session_id, made.correlation_id) == ("", "")


@pytest.mark.parametrize("wrong", [None, -1, 2**63, 1.5, "3", True, [3]])
def test_a_turn_of_a_wrong_form_is_0(wrong: Any) -> None:
    made = row_of(turn=wrong)
    assert (made.turn, made.fields) == (0, b"{}")


def test_texts_are_not_kept() -> None:
    assert kept(transcript="call me", text="hi", item_id="i", callId="c", user={"name": "Ann"}, list=["Ann"]) == {}
    assert kept(**{"my name is Ann": 1, "Zoë": True, "x" * 65: 2, "": 3, "1a": 4}) == {}
    assert kept(reason="a" * 65, status="a" * 64) == {"status": "a" * 64}


def test_amounts_are_kept_as_far_as_they_are_numbers() -> None:
    amounts = {"tokens": 5, "seconds": 0.5, "who": "Ann", "to Ann": 1, "deep": {"a": 1}}
    assert kept(amounts=amounts) == {"amounts": {"tokens": 5, "seconds": 0.5}}
    assert kept(amounts=[1]) == {}


def test_numbers_that_no_database_reads_exactly_are_left_out() -> None:
    payload = b'{"a": 1e300, "b": 100000000000000000000000000, "c": -1e16, "d": 1e15, "e": -0.5}'
    assert json.loads(to_row(event(payload)).fields) == {"d": 1e15, "e": -0.5}


def test_a_row_keeps_few_fields_of_many() -> None:
    many = {f"f{number}": number for number in range(1000)}
    assert len(kept(**many)) == 64
    assert len(kept(amounts=many)["amounts"]) == 64


def test_u0000_is_replaced() -> None:
    assert kept(reason="a\0b") == {"reason": "a\ufffdb"}
    assert row_of(correlationId="\0").correlation_id == "\ufffd"


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"[]", b"null", b"5", b'"text"', b"\xff", b'{"a": "\xff"}', b'{"a": NaN}', b"[" * 100_000]
)
def test_a_payload_that_is_no_json_object_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        to_row(event(payload))
    assert refused.value.param == "payload"


@given(st.dictionaries(NAMES | st.text(max_size=70), VALUES, max_size=8))
@example({"name": "\0" * 64, "amounts": {"a": "text"}})
def test_any_object_makes_a_row_that_keeps_no_text(payload: dict[str, Any]) -> None:
    made = kept(**payload)
    for name, value in made.items():
        assert name.isascii()
        assert len(name) <= 64
        assert all(name in WORDS and len(text) <= 64 for text in texts(value))
        assert not isinstance(value, list)


@given(st.binary(max_size=60))
def test_any_payload_makes_a_row_or_is_refused(payload: bytes) -> None:
    with contextlib.suppress(InvalidRequest):
        assert to_row(event(payload)).fields.startswith(b"{")


class Analysed:
    """An analyser over a database, and its metrics."""

    def __init__(self, store: SqliteStore) -> None:
        self.registry = CollectorRegistry()
        self.analytics = SqlAnalytics(store)
        self.analyser = Analyser(self.analytics, AnalyticsMetrics(self.registry))

    def value(self, name: str) -> float | None:
        return self.registry.get_sample_value(name)


@pytest.fixture
async def analysed(tmp_path: Path) -> AsyncIterator[Analysed]:
    store = SqliteStore(tmp_path / "analytics.db")
    await store.start()
    yield Analysed(store)
    await store.close()


async def test_new_events_are_written_and_counted_once(analysed: Analysed) -> None:
    chat = event(b'{"ttft_ms": 200, "tokens": 7}', name="a")
    stop = event(b'{"stop_ack_ms": 20, "last_chunk_ms": null}', "AnalyticsStop", "b")
    ingest = event(b'{"action": "connect"}', "AnalyticsIngest", "c")
    for events in ([chat, stop, chat], [stop, ingest], [chat, stop, ingest]):
        await analysed.analyser(events)
    assert analysed.value("chat_ttft_ms_sum") == 200.0
    assert (analysed.value("stop_ack_ms_count"), analysed.value("stop_last_chunk_ms_count")) == (1.0, 0.0)
    assert (analysed.value("tokens_total"), analysed.value("ingest_connects_total")) == (7.0, 1.0)
    counts = await analysed.analytics.counts("t", 0.0, 100.0)
    assert (counts["chats_total"], counts["stops_total"], counts["ingest_connects_total"]) == (1.0, 1.0, 1.0)


async def test_one_wrong_event_keeps_all_of_a_batch_out(analysed: Analysed) -> None:
    with pytest.raises(InvalidRequest):
        await analysed.analyser([event(b'{"tokens": 1}'), event(b"[]", name="wrong")])
    assert (await analysed.analytics.counts("t", 0.0, 100.0))["chats_total"] == 0.0
    assert analysed.value("tokens_total") == 0.0


async def test_negative_figures_count_nothing(analysed: Analysed) -> None:
    await analysed.analyser([event(b'{"ttft_ms": -5, "tokens": -1}')])
    assert (analysed.value("chat_ttft_ms_count"), analysed.value("tokens_total")) == (0.0, 0.0)
