"""Rows of events in the database, and figures that it computes from them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from antiphon.entities.analytics import (
    COUNTERS,
    LATENCIES,
    LATENCY_NAMES,
    AnalyticsRow,
    Counted,
    Latency,
    LatencyName,
)
from antiphon.store.erasure import exclude_erasures
from antiphon.store.sql import SqlStore
from antiphon.store.tables import analytics_events, erasures

_PERCENTS = (50, 95, 99)

_row = analytics_events.c


class SqlAnalytics:
    """An `Analytics` over an open store."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store

    async def add(self, rows: Sequence[AnalyticsRow]) -> set[tuple[str, str]]:
        """Write rows; return the keys of those that were new."""
        new: set[tuple[str, str]] = set()
        for tenant, own in groupby(sorted(rows, key=lambda row: row.key), key=lambda row: row.tenant):
            new.update((tenant, event_id) for event_id in await self._add(tenant, list(own)))
        return new

    async def latencies(
        self, tenant: str, since: float, until: float, metrics: Collection[LatencyName] = LATENCY_NAMES
    ) -> list[Latency]:
        """Return the distributions in a window."""
        wanted: list[LatencyName] = [metric for metric in LATENCY_NAMES if metric in metrics]

        async def read(connection: AsyncConnection) -> dict[LatencyName, Latency]:
            is_postgresql = _is_postgresql(connection)
            number = _postgresql_number if is_postgresql else _sqlite_number
            values = _values(wanted, tenant, since, until, number)
            query = _by_percentile_cont(values) if is_postgresql else _by_rank(values)
            found = (await connection.execute(query)).all()
            return {row.metric: Latency(*row) for row in found} if is_postgresql else _interpolated(found)

        found = await self._store.transact_as(tenant, read) if wanted else {}
        return [found[metric] for metric in wanted if metric in found]

    async def counts(self, tenant: str, since: float, until: float) -> dict[str, float]:
        """Return every counter in a window."""

        async def read(connection: AsyncConnection) -> dict[str, float]:
            is_postgresql = _is_postgresql(connection)
            columns = [_count(counted, is_postgresql=is_postgresql).label(name) for name, counted in COUNTERS.items()]
            kinds = sorted({counted.type for counted in COUNTERS.values()})
            query = sa.select(*columns).where(*_window(tenant, since, until), _row.type.in_(kinds))
            found = (await connection.execute(query)).one()
            return {name: float(value or 0) for name, value in zip(COUNTERS, found, strict=True)}

        return await self._store.transact_as(tenant, read)

    async def _add(self, tenant: str, rows: Sequence[AnalyticsRow]) -> Sequence[str]:
        async def write(connection: AsyncConnection) -> Sequence[str]:
            await exclude_erasures(connection, tenant)
            erased = await _erased(connection, tenant, {row.session_id for row in rows})
            kept = [_columns(row) for row in rows if row.session_id not in erased]
            if not kept:
                return ()
            insert = postgresql.insert if _is_postgresql(connection) else sqlite.insert
            statement = insert(analytics_events).on_conflict_do_nothing().returning(_row.event_id)
            return (await connection.execute(statement, kept)).scalars().all()

        return await self._store.transact_as(tenant, write)


def _is_postgresql(connection: AsyncConnection) -> bool:
    return connection.dialect.name == "postgresql"


async def _erased(connection: AsyncConnection, tenant: str, sessions: Collection[str]) -> set[str]:
    """Return those of the sessions that were erased."""
    query = sa.select(erasures.c.subject).where(
        erasures.c.tenant_id == tenant, erasures.c.kind == "session", erasures.c.subject.in_(sessions)
    )
    return set((await connection.execute(query)).scalars())


def _columns(row: AnalyticsRow) -> dict[str, Any]:
    return {
        "tenant_id": row.tenant,
        "event_id": row.event_id,
        "type": row.type,
        "session_id": row.session_id,
        "turn": row.turn,
        "correlation_id": row.correlation_id,
        "created_at": row.created_at,
        "fields": row.fields.decode(),
    }


def _window(tenant: str, since: float, until: float) -> tuple[sa.ColumnElement[bool], ...]:
    return _row.tenant_id == tenant, _row.created_at >= since, _row.created_at < until


_Number = Callable[[str], sa.ColumnElement[float]]


def _postgresql_number(field: str) -> sa.ColumnElement[float]:
    """Return a field of the rows as a number; null where it is none."""
    name = sa.literal(field, sa.Text)
    kind = sa.func.json_typeof(sa.func.json_extract_path(_row.fields, name))
    return sa.case((kind == "number", sa.cast(sa.func.json_extract_path_text(_row.fields, name), sa.Double)))


def _sqlite_number(field: str) -> sa.ColumnElement[float]:
    """Return a field of the rows as a number; null where it is none."""
    kind = sa.func.json_type(_row.fields, f"$.{field}")
    return sa.case((kind.in_(("integer", "real")), sa.cast(sa.func.json_extract(_row.fields, f"$.{field}"), sa.REAL)))


def _count(counted: Counted, *, is_postgresql: bool) -> sa.ColumnElement[Any]:
    matches = _row.type == counted.type
    if counted.action:
        text = sa.func.json_extract_path_text if is_postgresql else sa.func.json_extract
        place = sa.literal("action" if is_postgresql else "$.action", sa.Text)
        matches = sa.and_(matches, text(_row.fields, place) == counted.action)
    if not counted.amount:
        return sa.func.count().filter(matches)
    value = (_postgresql_number if is_postgresql else _sqlite_number)(counted.amount)
    return sa.func.sum(value).filter(sa.and_(matches, value >= 0))


def _values(metrics: Iterable[LatencyName], tenant: str, since: float, until: float, number: _Number) -> sa.CTE:
    """Return all values of the metrics in a window, as rows of metric and value."""
    parts: list[sa.Select[*tuple[Any, ...]]] = []
    for metric in metrics:
        kind, field = LATENCIES[metric]
        value = number(field)
        part = sa.select(sa.literal(metric, sa.Text).label("metric"), value.label("value"))
        parts.append(part.where(*_window(tenant, since, until), _row.type == kind, value >= 0))
    return sa.union_all(*parts).cte("reported")


def _by_percentile_cont(values: sa.CTE) -> sa.Select[Any]:
    """Return the query of the distributions, with columns in the order of `Latency`."""
    value = values.c.value
    points = [sa.func.percentile_cont(percent / 100).within_group(value) for percent in _PERCENTS]
    return sa.select(values.c.metric, sa.func.count(), *points, sa.func.max(value)).group_by(values.c.metric)


def _by_rank(values: sa.CTE) -> sa.Select[Any]:
    """Return the query of the values next to the percentiles and of the highest, with their ranks from 0.

    SQLite has no percentiles; only these few values leave the database.
    """
    metric, value = values.c.metric, values.c.value
    rank = (sa.func.row_number().over(partition_by=metric, order_by=value) - 1).label("rank")
    ranked = sa.select(metric, value, rank).subquery()
    # a window function for the number of values takes as long again
    lasts = sa.select(metric, (sa.func.count() - 1).label("last")).group_by(metric).subquery()
    rank, last = ranked.c.rank, lasts.c.last
    below = [last * percent // 100 for percent in _PERCENTS]
    is_near = sa.or_(rank == last, *(rank == one for one in below), *(rank == one + 1 for one in below))
    return sa.select(ranked).join(lasts, lasts.c.metric == ranked.c.metric).where(is_near)


def _interpolated(found: Iterable[Any]) -> dict[LatencyName, Latency]:
    """Return the distributions by metric, from the rows of `_by_rank`."""
    ranks: dict[LatencyName, dict[int, float]] = {}
    for row in found:
        ranks.setdefault(row.metric, {})[row.rank] = row.value
    return {metric: _distribution(metric, values) for metric, values in ranks.items()}


def _distribution(metric: LatencyName, values: dict[int, float]) -> Latency:
    last = max(values)
    p50, p95, p99 = (_point(values, *divmod(last * percent, 100)) for percent in _PERCENTS)
    return Latency(metric, last + 1, p50, p95, p99, values[last])


def _point(values: dict[int, float], rank: int, hundredths: int) -> float:
    """Return the value that lies between a rank and the next one."""
    low = values[rank]
    return low + (values[rank + 1] - low) * hundredths / 100 if hundredths else low
