"""``antiphon events``: the event logs, dead events, and how far the consumers are behind."""

from __future__ import annotations

import asyncio
import json as to_json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from cyclopts import App, Parameter
from rich.table import Table

from antiphon.app.settings import Settings, load_settings
from antiphon.cli.screen import OUT, print_json
from antiphon.clock import SystemClock
from antiphon.entities.events import DeadEvent, Delivery, Event, Log
from antiphon.errors import InvalidRequest, NotFound
from antiphon.events.sqlite import SqliteEventLogs
from antiphon.ports.event_logs import EventLogs
from antiphon.store.opening import JOBS_URL, make_store, upkeep_store
from antiphon.store.outbox import SqlOutbox

T = TypeVar("T")

_ALL = 1_000_000
_FOLLOW_S = 0.5

events = App(
    name="events",
    help="""Show events, those that failed, and how far consumers are behind.

Example: antiphon events tail events.analytics
""",
)


@events.command
def tail(log: Log, *, lines: int = 20, follow: bool = False) -> None:
    """Print the newest events of a log, one JSON object a line.

    Example: antiphon events tail events.analytics --follow

    Parameters
    ----------
    log
        The log: events.ltm, events.analytics or events.plugins.
    lines
        Number of events.
    follow
        Continue with new events until interrupted.
    """

    async def show(logs: EventLogs) -> None:
        found = await logs.tail(log, limit=lines)
        last = ""
        while True:
            for one in found:
                print(to_json.dumps(_line(one), ensure_ascii=False), flush=True)
            last = found[-1].position if found else last
            if not follow:
                return
            await asyncio.sleep(_FOLLOW_S)
            found = await logs.tail(log, last)

    _with_logs(show)


@events.command
def dead(*, lines: int = 100, json: bool = False) -> None:
    """List events that a consumer group could not process, oldest first.

    Example: antiphon events dead

    Parameters
    ----------
    lines
        Number of events.
    json
        Print one JSON array instead of a table.
    """
    found = _with_logs(lambda logs: logs.dead(lines))
    if json:
        print_json([_dead_line(one) for one in found])
        return
    table = Table("at (UTC)", "id", "type", "attempts", "reason", "tenant", "session")
    for one in found:
        event = one.event
        at = f"{datetime.fromtimestamp(one.at, UTC):%Y-%m-%d %H:%M:%S}"
        table.add_row(at, one.dead_id, event.type, str(one.attempts), one.reason, event.tenant, event.session_id)
    OUT.print(table)


@events.command
def retry(*dead_ids: str, every: Annotated[bool, Parameter(name="--all", negative=())] = False) -> None:
    """Send dead events to their consumer group again, by the ids that `antiphon events dead` shows.

    Example: antiphon events retry --all

    Parameters
    ----------
    dead_ids
        Ids of dead events.
    every
        Every dead event instead.
    """
    if bool(dead_ids) == every:
        raise InvalidRequest("name dead events, or give --all", param="dead_ids")

    async def again(logs: EventLogs) -> int:
        chosen = [one.dead_id for one in await logs.dead(_ALL)] if every else dead_ids
        return await logs.retry(chosen)

    done = _with_logs(again)
    if not every and done < len(set(dead_ids)):
        raise NotFound(f"{len(set(dead_ids)) - done} of these ids are no dead events; {done} were sent again")
    OUT.print(f"{done} events were sent again")


@events.command
def lag(*, json: bool = False) -> None:
    """Show how many events wait in the database, and how far each consumer group is behind its log.

    Example: antiphon events lag

    Parameters
    ----------
    json
        Print one JSON object instead of tables.
    """
    undelivered = asyncio.run(_undelivered(load_settings()))
    groups = [asdict(one) for one in _with_logs(lambda logs: logs.lags())]
    if json:
        print_json({"undelivered": undelivered, "groups": groups})
        return
    waiting = Table("log", "undelivered", "oldest (s)", title="in the database")
    for row in undelivered:
        waiting.add_row(row["log"], str(row["count"]), f"{row['oldest_s']:.1f}")
    behind = Table("log", "group", "unread", "pending", "oldest (s)", title="in the logs")
    for row in groups:
        behind.add_row(row["log"], row["group"], str(row["unread"]), str(row["pending"]), f"{row['oldest_s']:.1f}")
    OUT.print(waiting, behind)


def _line(one: Delivery) -> dict[str, Any]:
    return {"position": one.position, "published_at": one.published_at, **_event_line(one.event)}


def _dead_line(one: DeadEvent) -> dict[str, Any]:
    fields = ("dead_id", "log", "group", "reason", "attempts", "at")
    return {**{name: getattr(one, name) for name in fields}, **_event_line(one.event)}


def _event_line(event: Event) -> dict[str, Any]:
    fields = asdict(event)
    try:
        fields["payload"] = to_json.loads(event.payload)
    except ValueError:  # another program has written it
        fields["payload"] = event.payload.decode(errors="replace")
    return fields


def _with_logs(work: Callable[[EventLogs], Awaitable[T]]) -> T:
    async def run() -> T:
        async with _opened(load_settings()) as logs:
            return await work(logs)

    return asyncio.run(run())


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncGenerator[EventLogs]:
    if not settings.redis_url:
        path = settings.data_dir / "events.db"
        if not path.is_file():
            message = f"there are no event logs in {settings.data_dir}: start a server, or set ANTIPHON_REDIS_URL"
            raise NotFound(message)
        logs = SqliteEventLogs(path)
        await logs.start()
        try:
            yield logs
        finally:
            await logs.close()
        return
    try:
        from antiphon.connections.redis import opened
        from antiphon.events.redis.logs import RedisEventLogs
    except ModuleNotFoundError as error:
        message = "the Redis client is not installed: pip install 'antiphon[fleet]'"
        raise InvalidRequest(message, param="ANTIPHON_REDIS_URL") from error
    async with opened(settings.redis_url.get_secret_value(), timeout_s=settings.redis_timeout_s) as connection:
        yield RedisEventLogs(connection)


async def _undelivered(settings: Settings) -> list[dict[str, Any]]:
    store = make_store(settings.database_url, settings.data_dir, timeout_s=settings.database_timeout_s)
    jobs_url = settings.database_jobs_url.get_secret_value()
    everywhere = upkeep_store(store, jobs_url, timeout_s=settings.database_timeout_s)
    if everywhere is None:
        message = f"{JOBS_URL} is not set: only that role sees the events of all tenants"
        raise InvalidRequest(message, param=JOBS_URL)
    await everywhere.start()
    try:
        return [asdict(one) for one in await SqlOutbox(everywhere, SystemClock()).undelivered()]
    finally:
        await everywhere.close()
