"""Makes rows of events for analytics, without personal data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

import msgspec

from antiphon.entities.analytics import AnalyticsRow, counts_of, latencies_of
from antiphon.entities.events import Event
from antiphon.entities.history import storable
from antiphon.errors import InvalidRequest
from antiphon.observe.analytics_metrics import AnalyticsMetrics
from antiphon.ports.analytics import Analytics

_WORDS = frozenset({"provider", "outcome", "status", "kind", "model", "name", "action", "reason", "language"})
"""Fields whose strings are kept."""
_WORD_CHARACTERS = 64
_ID_CHARACTERS = 256
_NAME = re.compile("[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)
"""A field's name: a longer or freer one may be a text."""
_COLUMNS = frozenset({"type", "turn"})
"""Fields that have a column of their own."""
_MOST_FIELDS = 64
_MOST = 1e15
"""Largest absolute number that is kept: every database and client reads it exactly."""


class Analyser:
    """An `EventHandler` that keeps events as rows and counts the new ones."""

    def __init__(self, analytics: Analytics, metrics: AnalyticsMetrics) -> None:
        self._analytics = analytics
        self._metrics = metrics

    async def __call__(self, events: Sequence[Event]) -> None:
        """Process events. Raises `InvalidRequest` if a payload is not a JSON object."""
        rows = {row.key: row for row in map(to_row, events)}
        for _, own in groupby(sorted(rows.values(), key=attrgetter("tenant")), key=attrgetter("tenant")):
            # each tenant's are counted before those of another can fail
            for key in await self._analytics.add(list(own)):
                for latency, milliseconds in latencies_of(rows[key]):
                    self._metrics.took(latency, milliseconds)
                for counter, amount in counts_of(rows[key]):
                    self._metrics.counted(counter, amount)


def to_row(event: Event) -> AnalyticsRow:
    """Return an event without personal data: numbers, booleans, and short strings of a few fields.

    Raises `InvalidRequest` if its payload is not a JSON object.
    """
    payload = _decoded(event.payload)
    turn = payload.get("turn")
    return AnalyticsRow(
        event.tenant,
        event.event_id,
        event.type,
        session_id=event.session_id or _id(payload.get("sessionId")) or _id(payload.get("session_id")),
        turn=turn if isinstance(turn, int) and 0 <= turn <= _MOST and not isinstance(turn, bool) else 0,
        correlation_id=_id(payload.get("correlationId")),
        created_at=event.created_at,
        fields=msgspec.json.encode(_kept(payload)),
    )


def _decoded(payload: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(payload, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise InvalidRequest("the payload of an event is not a JSON object", param="payload") from exc


def _id(value: object) -> str:
    return storable(value) if isinstance(value, str) and len(value) <= _ID_CHARACTERS else ""


def _kept(payload: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in payload.items():
        if name in _COLUMNS or not _NAME.fullmatch(name) or len(kept) == _MOST_FIELDS:
            continue
        if _is_figure(value):
            kept[name] = value
        elif isinstance(value, str) and name in _WORDS and len(value) <= _WORD_CHARACTERS:
            kept[name] = storable(value)
        elif isinstance(value, dict) and name == "amounts":
            kept[name] = _figures(value)
    return kept


def _figures(amounts: dict[str, Any]) -> dict[str, Any]:
    found = [(name, value) for name, value in amounts.items() if _NAME.fullmatch(name) and _is_figure(value)]
    return dict(found[:_MOST_FIELDS])


def _is_figure(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= _MOST
