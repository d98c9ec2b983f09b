"""The event logs of a single process, in one SQLite file."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

import msgspec

from antiphon import ids
from antiphon.clock import Clock, SystemClock
from antiphon.entities.events import GROUPS, DeadEvent, Delivery, Event, GroupLag, Log
from antiphon.errors import LeaseLost, ProviderUnavailable
from antiphon.events.limits import MOST_DUE, SUSPECT, LogLimit, check, full
from antiphon.folders import make_private

T = TypeVar("T")

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Event).decode
_TRIMMED = 1_000
"""Most entries that one publication drops."""


class SqliteEventLogs:
    """`EventLogs` in one file, readable by its owner only; `start` before use.

    The file is written in one thread of its own. Other processes may read it, and publish to it.
    """

    def __init__(self, path: Path, limit: LogLimit | None = None, clock: Clock | None = None) -> None:
        self._path = path
        self.limit = limit or LogLimit()
        self.clock = clock or SystemClock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="event logs")
        self._connection: sqlite3.Connection | None = None

    async def start(self) -> None:
        """Open the file, and create its tables. Raises `ProviderUnavailable`."""
        await self._do(self._open)

    def _open(self) -> None:
        try:
            make_private(self._path.parent)
            self._path.touch(mode=0o600)
        except OSError as error:
            raise _unavailable(error) from error
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        for pragma in ("busy_timeout = 5000", "journal_mode = WAL", "synchronous = FULL"):
            connection.execute(f"PRAGMA {pragma}")
        connection.executescript(files("antiphon.events").joinpath("schema.sql").read_text("utf-8"))
        groups = [(log, group) for log, names in GROUPS.items() for group in names]
        connection.executemany('INSERT OR IGNORE INTO groups (log, "group") VALUES (?, ?)', groups)
        self._connection = connection

    async def close(self) -> None:
        """Close; idempotent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, connection.close)
        self._thread.shutdown(wait=False)

    # -- the port ----------------------------------------------------------------------------------------------------
    async def publish(self, log: Log, events: Sequence[Event]) -> None:
        """Append events. Raises `Overloaded`, `InvalidRequest`, `ProviderUnavailable`."""
        check(events)
        if events:
            await self.transact(lambda connection: self._publish(connection, log, events, ""))

    def subscribe(self, log: Log, group: str, consumer: str) -> SqliteSubscription:
        """Return a consumer of a group."""
        return SqliteSubscription(self, log, group, consumer)

    async def lags(self) -> Sequence[GroupLag]:
        """Return how far every group is behind."""
        return await self.transact(self._lags)

    async def tail(self, log: Log, after: str = "", limit: int = 100) -> Sequence[Delivery]:
        """Return the events behind a position, or the newest."""
        behind = "SELECT * FROM entries WHERE log = ? AND position > ? ORDER BY position LIMIT ?"
        newest = "SELECT * FROM entries WHERE log = ? AND position > ? ORDER BY position DESC LIMIT ?"

        def read(connection: sqlite3.Connection) -> list[Delivery]:
            rows = connection.execute(behind if after else newest, (log, int(after or 0), limit)).fetchall()
            return [_delivery(row) for row in (rows if after else reversed(rows))]

        return await self.transact(read)

    async def dead(self, limit: int = 100) -> Sequence[DeadEvent]:
        """Return the dead events, oldest first."""

        def read(connection: sqlite3.Connection) -> list[DeadEvent]:
            rows = connection.execute("SELECT * FROM dead ORDER BY number LIMIT ?", (limit,))
            names = ("dead_id", "log", "group", "reason", "attempts", "at")
            return [DeadEvent(**{name: row[name] for name in names}, event=_decode(row["event"])) for row in rows]

        return await self.transact(read)

    async def retry(self, dead_ids: Collection[str]) -> int:
        """Deliver dead events to their group again. Raises `Overloaded`."""

        def again(connection: sqlite3.Connection) -> int:
            done = 0
            for dead_id in dead_ids:
                row = connection.execute("SELECT * FROM dead WHERE dead_id = ?", (dead_id,)).fetchone()
                if row is not None:
                    event = _decode(row["event"])
                    former = "DELETE FROM entries WHERE log = ? AND only_group = ? AND event_id = ?"
                    connection.execute(former, (row["log"], row["group"], event.event_id))
                    self._publish(connection, row["log"], [event], row["group"])
                    connection.execute("DELETE FROM dead WHERE dead_id = ?", (dead_id,))
                    done += 1
            return done

        return await self.transact(again)

    # -- the file ----------------------------------------------------------------------------------------------------
    async def transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do ``work`` in one transaction, in the thread of the file. Raises `ProviderUnavailable`."""

        def run() -> T:
            if self._connection is None:
                raise ProviderUnavailable("the event logs are closed", code="event_logs_unavailable")
            with closing(self._connection.cursor()) as cursor:
                cursor.execute("BEGIN IMMEDIATE")
                try:
                    result = work(self._connection)
                except BaseException:
                    cursor.execute("ROLLBACK")
                    raise
                cursor.execute("COMMIT")
                return result

        return await self._do(run)

    async def _do(self, work: Callable[[], T]) -> T:
        def run() -> T:
            try:
                return work()
            except sqlite3.Error as error:
                raise _unavailable(error) from error

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, run)
        except RuntimeError as error:  # the thread has ended
            raise _unavailable(error) from error

    def _publish(self, connection: sqlite3.Connection, log: Log, events: Sequence[Event], only_group: str) -> None:
        now = self.clock.wall()
        self._make_room(connection, log, len(events))
        connection.executemany(
            "INSERT OR IGNORE INTO entries (log, only_group, event_id, event, published_at) VALUES (?, ?, ?, ?, ?)",
            [(log, only_group, event.event_id, _encode(event), now) for event in events],
        )

    def _make_room(self, connection: sqlite3.Connection, log: Log, count: int) -> None:
        """Drop acknowledged entries beyond the capacity. Raises `Overloaded`."""
        (held,) = connection.execute("SELECT count(*) FROM entries WHERE log = ?", (log,)).fetchone()
        excess = held + count - self.limit.capacity
        if excess <= 0:
            return
        (read,) = connection.execute("SELECT min(read) FROM groups WHERE log = ?", (log,)).fetchone()
        dropped = connection.execute(
            """DELETE FROM entries WHERE position IN (
                 SELECT position FROM entries WHERE log = ? AND position <= ?
                 AND NOT EXISTS (SELECT 1 FROM pending WHERE pending.log = entries.log
                                 AND pending.position = entries.position)
                 ORDER BY position LIMIT ?)""",
            (log, 2**62 if read is None else read, max(excess, _TRIMMED)),
        ).rowcount
        if dropped < excess:
            raise full(log, self.limit.capacity)

    def _lags(self, connection: sqlite3.Connection) -> list[GroupLag]:
        found: list[GroupLag] = []
        now = self.clock.wall()
        for log, group, read in connection.execute('SELECT log, "group", read FROM groups ORDER BY log').fetchall():
            count, first = connection.execute(
                "SELECT count(*), min(published_at) FROM entries"
                " WHERE log = ? AND position > ? AND only_group IN ('', ?)",
                (log, read, group),
            ).fetchone()
            taken, oldest = connection.execute(
                "SELECT count(*), min(published_at) FROM pending JOIN entries USING (position)"
                ' WHERE pending.log = ? AND "group" = ?',
                (log, group),
            ).fetchone()
            times = [at for at in (first, oldest) if at is not None]
            found.append(GroupLag(log, group, count, taken, max(0.0, now - min(times)) if times else 0.0))
        return found


class SqliteSubscription:
    """A `Subscription` of `SqliteEventLogs`."""

    def __init__(self, logs: SqliteEventLogs, log: Log, group: str, consumer: str) -> None:
        self._logs = logs
        self._key = (log, group)
        self._token = f"{consumer}:{ids.token(12)}"
        self._held: set[str] = set()
        """Positions that were taken and not settled."""

    async def take(self, limit: int) -> Sequence[Delivery]:
        """Return the events that are due. Raises `ProviderUnavailable`."""
        held = [int(position) for position in self._held]
        taken = await self._logs.transact(lambda connection: self._take(connection, limit, held))
        self._held.update(one.position for one in taken)
        return taken

    def _take(self, connection: sqlite3.Connection, limit: int, held: Sequence[int]) -> list[Delivery]:
        if not self._has_work(connection) or not self._enter(connection, held):
            return []
        due = self._due(connection, limit)
        if due and due[0][2] >= SUSPECT:
            taken = [due[0][:2]]
        else:
            taken = [(position, attempts) for position, attempts, losses in due if losses < SUSPECT]
            taken += [(position, 0) for position in self._fresh(connection, limit - len(taken))]
        connection.executemany(
            'INSERT INTO pending (log, "group", position, attempts) VALUES (?, ?, ?, 1)'
            " ON CONFLICT DO UPDATE SET attempts = attempts + 1, due_at = NULL",
            [(*self._key, position) for position, _ in taken],
        )
        query = "SELECT * FROM entries WHERE position = ?"
        rows = [(connection.execute(query, (position,)).fetchone(), attempts) for position, attempts in taken]
        return [_delivery(row, attempts + 1) for row, attempts in rows]

    def _has_work(self, connection: sqlite3.Connection) -> bool:
        """Say whether there may be anything to take: without it nothing is written, and no disk is synced."""
        query = """SELECT EXISTS (SELECT 1 FROM entries JOIN groups ON groups.log = entries.log
                                  WHERE entries.log = ? AND "group" = ? AND position > read)
                       OR EXISTS (SELECT 1 FROM pending WHERE log = ? AND "group" = ?
                                  AND (due_at IS NULL OR due_at <= ?))"""
        found: int = connection.execute(query, (*self._key, *self._key, self._logs.clock.wall())).fetchone()[0]
        return bool(found)

    def _enter(self, connection: sqlite3.Connection, held: Sequence[int]) -> bool:
        """Become or stay active; False if another consumer is. Entries that it does not hold are due."""
        now = self._logs.clock.wall()
        query = 'SELECT owner, until FROM groups WHERE log = ? AND "group" = ?'
        owner, until = connection.execute(query, self._key).fetchone()
        if owner not in ("", self._token) and until > now:
            return False
        is_new = owner != self._token
        taken = """SELECT position FROM pending WHERE log = ? AND "group" = ? AND due_at IS NULL"""
        lost = [row[0] for row in connection.execute(taken, self._key) if is_new or row[0] not in held]
        due = """UPDATE pending SET due_at = 0, losses = losses + 1 WHERE log = ? AND "group" = ? AND position = ?"""
        connection.executemany(due, [(*self._key, position) for position in lost])
        self._hold(connection, self._token)
        return True

    def _due(self, connection: sqlite3.Connection, limit: int) -> list[tuple[int, int, int]]:
        """Return the pending entries that are due, how often each was delivered, and how often without an outcome."""
        query = """SELECT position, attempts, losses FROM pending
                   WHERE log = ? AND "group" = ? AND due_at <= ? ORDER BY position LIMIT ?"""
        now = self._logs.clock.wall()
        return connection.execute(query, (*self._key, now, min(limit, MOST_DUE))).fetchall()

    def _fresh(self, connection: sqlite3.Connection, limit: int) -> list[int]:
        """Return the next entries, and note that they were read."""
        log, group = self._key
        query = "SELECT position, only_group FROM entries WHERE log = ? AND position > ? ORDER BY position LIMIT ?"
        (read,) = connection.execute('SELECT read FROM groups WHERE log = ? AND "group" = ?', self._key).fetchone()
        rows = connection.execute(query, (log, read, limit)).fetchall()
        if rows:
            connection.execute('UPDATE groups SET read = ? WHERE log = ? AND "group" = ?', (rows[-1][0], *self._key))
        return [position for position, only_group in rows if only_group in ("", group)]

    async def renew(self) -> None:
        """Stay active. Raises `LeaseLost`, `ProviderUnavailable`."""
        await self._as_owner(lambda _: None)

    async def acknowledge(self, positions: Collection[str]) -> None:
        """Note that events are processed. Raises `LeaseLost`, `ProviderUnavailable`."""
        statement = 'DELETE FROM pending WHERE log = ? AND "group" = ? AND position = ?'
        parameters = [(*self._key, int(position)) for position in positions]
        await self._as_owner(lambda connection: connection.executemany(statement, parameters), positions)

    async def postpone(self, position: str, delay_s: float) -> None:
        """Deliver an event again later. Raises `LeaseLost`, `ProviderUnavailable`."""
        statement = 'UPDATE pending SET due_at = ?, losses = 0 WHERE log = ? AND "group" = ? AND position = ?'
        parameters = (self._logs.clock.wall() + delay_s, *self._key, int(position))
        await self._as_owner(lambda connection: connection.execute(statement, parameters), (position,))

    async def bury(self, delivery: Delivery, reason: str) -> None:
        """Move an event to the dead ones. Raises `LeaseLost`, `ProviderUnavailable`."""
        event, (log, group) = delivery.event, self._key
        head = (f"{group}:{event.event_id}", log, group, reason, delivery.attempt, self._logs.clock.wall())
        insert = """INSERT OR REPLACE INTO dead (dead_id, log, "group", reason, attempts, at, event)
                    VALUES (?, ?, ?, ?, ?, ?, ?)"""
        drop = """DELETE FROM dead WHERE number IN
                  (SELECT number FROM dead ORDER BY number DESC LIMIT -1 OFFSET ?)"""
        acknowledge = """DELETE FROM pending WHERE log = ? AND "group" = ? AND position = ?"""

        def move(connection: sqlite3.Connection) -> None:
            connection.execute(insert, (*head, _encode(event)))
            connection.execute(drop, (self._logs.limit.dead,))
            connection.execute(acknowledge, (*self._key, int(delivery.position)))

        await self._as_owner(move, (delivery.position,))

    async def leave(self) -> None:
        """Let another consumer become active. Raises `ProviderUnavailable`."""
        self._held.clear()
        statement = """UPDATE groups SET owner = '', until = 0 WHERE log = ? AND "group" = ? AND owner = ?"""
        await self._logs.transact(lambda connection: connection.execute(statement, (*self._key, self._token)))

    async def _as_owner(self, work: Callable[[sqlite3.Connection], object], settled: Collection[str] = ()) -> None:
        def run(connection: sqlite3.Connection) -> None:
            query = 'SELECT owner FROM groups WHERE log = ? AND "group" = ?'
            if connection.execute(query, self._key).fetchone()[0] != self._token:
                raise LeaseLost(f"another consumer of {self._key[1]} is active")
            work(connection)
            self._hold(connection, self._token)

        try:
            await self._logs.transact(run)
        except LeaseLost:
            self._held.clear()
            raise
        self._held.difference_update(settled)

    def _hold(self, connection: sqlite3.Connection, token: str) -> None:
        until = self._logs.clock.wall() + self._logs.limit.lease_s
        statement = 'UPDATE groups SET owner = ?, until = ? WHERE log = ? AND "group" = ?'
        connection.execute(statement, (token, until, *self._key))


def _delivery(row: sqlite3.Row, attempt: int = 1) -> Delivery:
    return Delivery(str(row["position"]), _decode(row["event"]), attempt, row["published_at"])


def _unavailable(error: Exception) -> ProviderUnavailable:
    return ProviderUnavailable("the event logs failed", code="event_logs_unavailable", detail=str(error))
