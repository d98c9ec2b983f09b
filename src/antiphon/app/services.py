"""Services shared by the parts of a process. Each is created, and its modules imported, on first use."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import structlog

from antiphon.errors import InvalidRequest

if TYPE_CHECKING:  # the command line lists parts and must not import their dependencies
    from prometheus_client import CollectorRegistry

    from antiphon.app.engines import Engines
    from antiphon.app.settings import Settings
    from antiphon.app.shared import Shared
    from antiphon.clock import Clock
    from antiphon.doors.access.authentication import Access
    from antiphon.doors.access.client_secrets import EphemeralSecrets
    from antiphon.jobs.client import JobClient
    from antiphon.observe.metrics import Metrics
    from antiphon.ports.engine import Engine
    from antiphon.ports.event_logs import EventLogs
    from antiphon.ports.outbox import Outbox
    from antiphon.providers.decoding.decoders import Decoders
    from antiphon.store.postgres import PostgresStore
    from antiphon.store.sqlite import SqliteStore
    from antiphon.store.upkeep import Upkeep
    from antiphon.store.writer import StoreWriter

T = TypeVar("T")

_log = structlog.get_logger(__name__)

EndlessTask = Callable[[], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class Lifetime:
    """Hooks of the services of a process, in the order in which they were created."""

    starts: list[Callable[[], Awaitable[None]]] = field(default_factory=list[Callable[[], Awaitable[None]]])
    """Awaited before the engines start."""
    tasks: dict[str, EndlessTask] = field(default_factory=dict[str, EndlessTask])
    """Background tasks that run until the process ends, by name."""
    drains: list[Callable[[float], Awaitable[None]]] = field(default_factory=list[Callable[[float], Awaitable[None]]])
    """Each refuses new work and returns when open work has ended, at the latest after the given seconds."""
    closes: list[Callable[[], Awaitable[None]]] = field(default_factory=list[Callable[[], Awaitable[None]]])
    """Awaited at the end in reverse order, after all work has stopped."""


class Rows(NamedTuple):
    """The database of this process and its writers."""

    store: SqliteStore | PostgresStore
    """For reading; it may lag behind the writers."""
    writer: StoreWriter
    """Writes to the database, or to the queue of the persist workers."""
    database: StoreWriter
    """Writes to the database itself; the same as `writer` in a single process."""


class Services:
    """The services of one process."""

    def __init__(
        self,
        settings: Settings,
        roles: frozenset[str],
        clock: Clock,
        metrics: Metrics,
        shared: Shared,
        engines: Engines,
    ) -> None:
        self.settings = settings
        self.roles = roles
        self.clock = clock
        self.metrics = metrics
        self.shared = shared
        self.engines = engines
        self.lifetime = Lifetime()
        self._made: dict[Callable[..., Any], Any] = {}

    @cached_property
    def jobs(self) -> JobClient:
        """Client for jobs outside of sessions."""
        from antiphon.jobs.client import JobClient

        return JobClient(self.shared.bus, self.clock, timeout_s=self.settings.speech_timeout_s)

    @cached_property
    def client_secrets(self) -> EphemeralSecrets:
        """Issues and opens client secrets."""
        from antiphon.doors.access.client_secrets import EphemeralSecrets, load_secret_keys

        configured = self.settings.secret_key.get_secret_value() if self.settings.secret_key else None
        return EphemeralSecrets(*load_secret_keys(self.settings.data_dir, configured))

    @cached_property
    def access(self) -> Access:
        """Authenticates callers."""
        from antiphon.doors.access.authentication import Access

        keys = [key.get_secret_value() for key in self.settings.api_keys]
        return Access(keys, self.client_secrets, self.clock, allowed_origins=self.settings.allowed_origins)

    @cached_property
    def rows(self) -> Rows:
        """The database, behind a queue where processes share Redis."""
        from antiphon.store.opening import make_store
        from antiphon.store.queued import QueuedRecorder
        from antiphon.store.writer import StoreWriter

        settings = self.settings
        store = make_store(settings.database_url, settings.data_dir, timeout_s=settings.database_timeout_s)
        database = StoreWriter(store, metrics=self.metrics)
        rows = Rows(store, database, database)
        if settings.redis_url:
            rows = Rows(store, StoreWriter(QueuedRecorder(self.shared.bus), metrics=self.metrics), database)
        if settings.database_migrate:
            self.lifetime.starts.append(partial(_migrate, settings))
        self.lifetime.starts.append(store.start)
        self.lifetime.closes.append(store.close)
        self.lifetime.tasks["store writer"] = rows.writer.run
        if rows.database is not rows.writer:
            self.lifetime.tasks["database writer"] = database.run
        return rows

    @cached_property
    def all_tenants(self) -> SqliteStore | PostgresStore | None:
        """The database with the rows of all tenants; None on PostgreSQL without a URL for it."""
        from antiphon.store.opening import JOBS_URL, upkeep_store

        settings = self.settings
        jobs_url, timeout_s = settings.database_jobs_url.get_secret_value(), settings.database_timeout_s
        store = upkeep_store(self.rows.store, jobs_url, timeout_s=timeout_s)
        if store is None:
            _log.warning("retention and events are off: no URL of the role antiphon_jobs", setting=JOBS_URL)
        elif store is not self.rows.store:
            self.lifetime.starts.append(store.start)
            self.lifetime.closes.append(store.close)
        return store

    @cached_property
    def upkeep(self) -> Upkeep | None:
        """Removes old rows of all tenants; None without `all_tenants`. Raises `InvalidRequest`."""
        from antiphon.store.opening import JOBS_URL
        from antiphon.store.upkeep import Upkeep

        days = self.settings.database_retention_days
        if self.all_tenants is not None:
            return Upkeep(self.all_tenants, self.clock, retention_days=days)
        if days:
            message = f"{JOBS_URL} is not set: ANTIPHON_DATABASE_RETENTION_DAYS needs it on PostgreSQL"
            raise InvalidRequest(message, param=JOBS_URL)
        return None

    @cached_property
    def outbox(self) -> Outbox | None:
        """Events of all tenants that no log has yet; None without `all_tenants`."""
        from antiphon.store.outbox import SqlOutbox

        return None if self.all_tenants is None else SqlOutbox(self.all_tenants, self.clock)

    @cached_property
    def event_logs(self) -> EventLogs:
        """The event logs: over Redis, else in a file of this process."""
        if self.shared.event_logs is not None:
            return self.shared.event_logs
        from antiphon.events.limits import LogLimit
        from antiphon.events.sqlite import SqliteEventLogs

        limit = LogLimit(self.settings.bus_lease_s, self.settings.events_capacity)
        logs = SqliteEventLogs(self.settings.data_dir / "events.db", limit, self.clock)
        self.lifetime.starts.append(logs.start)
        self.lifetime.closes.append(logs.close)
        return logs

    @property
    def opened_rows(self) -> Rows | None:
        """`rows` if a part has used it, else None."""
        return self.__dict__.get("rows")

    @cached_property
    def decoders(self) -> Decoders:
        """Decoders of files, in child processes."""
        from antiphon.providers.decoding.decoders import Decoders

        made = Decoders()
        self.lifetime.tasks["decoders"] = made.run
        self.lifetime.closes.append(made.close)
        return made

    def once(self, make: Callable[[Services], T]) -> T:
        """Return ``make(self)``, created once and shared by all parts."""
        if make not in self._made:
            self._made[make] = make(self)
        return self._made[make]

    def slots(self, engine: Engine, local: int) -> int:
        """Return the concurrent jobs of an engine in this process; ``local`` if the engine is not remote."""
        return max(local, self.settings.service_calls) if engine.capabilities.is_remote else local

    def measures(self, kind: Callable[[CollectorRegistry], T]) -> T:
        """Return the metrics of a feature, created once per process."""
        if kind not in self._made:
            self._made[kind] = kind(self.metrics.registry)
        return self._made[kind]

    def checks(self) -> Mapping[str, bool]:
        """Return the dependencies of this process besides its engines, each with its health."""
        rows = self.opened_rows
        return {**self.shared.checks(), **({} if rows is None else {"database": not rows.database.is_failing})}


def process_id(role: str) -> str:
    """Return the name of this process in shared state: role, host and process id."""
    return f"{role}-{socket.gethostname()}-{os.getpid()}"


async def _migrate(settings: Settings) -> None:
    """Migrate the database as its owner. Raises `AntiphonError`."""
    from antiphon.store.opening import opened_by_owner
    from antiphon.store.postgres import START_S

    owner_url = settings.database_owner_url.get_secret_value()
    async with opened_by_owner(settings.database_url, owner_url, settings.data_dir, wait_s=START_S) as store:
        await store.upgrade()
