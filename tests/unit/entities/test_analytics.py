"""A row knows which latencies and counters it is a part of."""

from __future__ import annotations

import pytest

from antiphon.entities.analytics import LATENCIES, LATENCY_NAMES, AnalyticsRow, counts_of, latencies_of


def row(kind: str, fields: bytes = b"{}") -> AnalyticsRow:
    return AnalyticsRow("t", "e", kind, "s", 1, "", 1.0, fields)


def test_every_latency_has_its_events() -> None:
    assert tuple(LATENCIES) == LATENCY_NAMES


def test_a_stop_reports_two_latencies() -> None:
    found = list(latencies_of(row("AnalyticsStop", b'{"stop_ack_ms": 0, "last_chunk_ms": 2.5, "ttft_ms": 3}')))
    assert found == [("stop_ack_ms", 0.0), ("stop_last_chunk_ms", 2.5)]


@pytest.mark.parametrize("value", [b"null", b"true", b'"5"', b"-1", b"[5]", b"{}"])
def test_only_numbers_from_0_are_values(value: bytes) -> None:
    wrong = row("AnalyticsChatStats", b'{"ttft_ms": %b, "tokens": %b}' % (value, value))
    assert list(latencies_of(wrong)) == []
    assert list(counts_of(wrong)) == [("chats_total", 1.0)]


@pytest.mark.parametrize(
    ("kind", "fields", "counts"),
    [
        ("AnalyticsChatStats", b'{"tokens": 4}', [("tokens_total", 4.0), ("chats_total", 1.0)]),
        ("AnalyticsIngest", b'{"action": "error"}', [("ingest_errors_total", 1.0)]),
        ("AnalyticsIngest", b'{"action": ["error"]}', []),
        ("AnalyticsIngest", b"{}", []),
        ("session.created", b'{"action": "error"}', [("sessions_created_total", 1.0)]),
        ("strange", b'{"tokens": 4}', []),
    ],
)
def test_a_row_increases_the_counters_of_its_type(kind: str, fields: bytes, counts: list[tuple[str, float]]) -> None:
    assert list(counts_of(row(kind, fields))) == counts
