"""The history in PostgreSQL, isolated by row-level security."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import time

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from antiphon.errors import InvalidRequest, ProviderUnavailable, Transient
from antiphon.resilience.backoff import Backoff
from antiphon.store.schema import HEAD, newer
from antiphon.store.sql import SqlStore

_log = structlog.get_logger(__name__)

START_S = 30.0
"""How long a start waits for a server that is away."""
TIMEOUT_S = 10.0
"""Timeout of a statement; a server that stands still is unavailable after it."""
_CONNECT_S = 5.0
"""Longest timeout of a connection."""

_SSL = re.compile("disable|allow|prefer|require|verify-ca|verify-full")
_OPTIONS = {
    "sslmode": _SSL,
    "ssl": _SSL,
    "host": re.compile("[!-~]+"),
    "port": re.compile("[0-9]{1,5}"),
    "target_session_attrs": re.compile("any|primary|standby|read-write|read-only|prefer-standby"),
    "statement_cache_size": re.compile("[0-9]{1,6}"),
}
"""Options of a URL, each with its values."""
_NAMES = {"sslmode": "ssl"}
"""Options under the name of libpq, and what asyncpg calls them."""
_NOT_LET_IN = ("28", "3D")
"""Beginnings of PostgreSQL's codes for a role or password that it refuses, and for a database that it does not have."""
_NOT_GRANTED = "42501"
_UPKEEP = "antiphon_jobs"
_VARIABLES = {
    "antiphon_app": "ANTIPHON_DATABASE_URL",
    _UPKEEP: "ANTIPHON_DATABASE_JOBS_URL",
    None: "ANTIPHON_DATABASE_OWNER_URL",
}
"""The setting with the URL of each role; None is the owner."""
_START_BACKOFF = Backoff(base_s=0.1, cap_s=2.0)
_ROLE = sa.text("""
SELECT rolname, rolsuper, rolbypassrls,
       (SELECT pg_has_role(oid, 'MEMBER') FROM pg_roles WHERE rolname = :role) AS is_member,
       (SELECT pg_has_role(oid, 'MEMBER') FROM pg_roles WHERE rolname = 'antiphon_jobs') AS has_upkeep,
       (SELECT pg_has_role(relowner, 'MEMBER') FROM pg_class WHERE oid = to_regclass('conversation_items')) AS is_owner
FROM pg_roles WHERE rolname = current_user
""")


class PostgresStore(SqlStore):
    """A `Store` in PostgreSQL.

    Every transaction names its tenant (``antiphon.tenant``) and sees the rows of that tenant only. The role of the
    URL must be one that these policies bind. As ``antiphon_jobs`` it sees all rows and changes none but the outbox's.
    """

    def __init__(
        self,
        url: sa.URL,
        *,
        role: str | None = "antiphon_app",
        start_s: float = START_S,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """``role`` is the one the connection must be or belong to: ``antiphon_app``, ``antiphon_jobs`` for `Upkeep`, or
        None for the owner, who only migrates.

        ``start_s`` is how long `start` waits for a server that is not there, ``timeout_s`` how long a statement may
        take; seconds.
        """
        super().__init__("postgresql")
        self._url = url
        self._role = role
        self._variable = _VARIABLES[role]
        self._start_s = start_s
        self._timeout_s = timeout_s

    async def start(self) -> None:
        """Open the database, and wait for its server.

        Raises `ProviderUnavailable`, and `InvalidRequest` for a wrong role or database or an old schema.
        """
        await self.open()
        try:
            await self.wait_for_server()
            await self._check_revision()
        except BaseException:
            await self.close()
            raise

    async def _check_revision(self) -> None:
        try:
            found = await self.revision()
        except ProviderUnavailable as error:
            if _state(error) != _NOT_GRANTED:
                raise
            found = ""  # the revision that lets this role read it is not there yet
        if found != HEAD:
            raise newer(found) or InvalidRequest(
                f"the database has schema '{found or 'none'}' and this release needs '{HEAD}': "
                "run 'antiphon db upgrade' with ANTIPHON_DATABASE_OWNER_URL set",
                param=self._variable,
                code="store_too_old",
            )

    async def wait_for_server(self) -> None:
        """Check the role, as soon as the server answers. Raises like `start`."""
        until = time.monotonic() + self._start_s
        for attempt in itertools.count(1):
            try:
                await self.transact(self._check_role)
            except Transient as error:
                if _state(error).startswith(_NOT_LET_IN):
                    raise InvalidRequest(
                        f"{self._variable}: PostgreSQL does not let this role into this database; "
                        "'antiphon db upgrade' creates antiphon_app and antiphon_jobs",
                        param=self._variable,
                        code="wrong_database_role",
                        detail=error.detail,
                    ) from error
                if time.monotonic() > until:
                    raise
                if attempt == 1:
                    _log.warning("database is not there yet", error=str(error), seconds=self._start_s)
                await asyncio.sleep(_START_BACKOFF.delay_s(attempt, random.random))
            else:
                return

    async def open(self) -> None:
        """Open the database as it is. Raises `InvalidRequest` for a missing driver or an unknown option of the URL."""
        is_owner = self._role is None  # migrations may take long
        options = self._options()
        try:
            self._engine = create_async_engine(
                self._url.set(query={}),
                pool_size=8,
                max_overflow=0,
                pool_timeout=self._timeout_s,
                pool_pre_ping=True,  # connections of before a restart
                hide_parameters=True,
                json_serializer=str,  # JSON is text here, both ways
                json_deserializer=str,
                connect_args={
                    "timeout": min(_CONNECT_S, self._timeout_s),
                    "command_timeout": None if is_owner else self._timeout_s,
                    **options,
                },
            )
        except ModuleNotFoundError as error:
            message = "the PostgreSQL driver is not installed: pip install 'antiphon[fleet]'"
            raise InvalidRequest(message, param=self._variable) from error

    def _options(self) -> dict[str, str | int]:
        """Return the options of the URL. Raises `InvalidRequest`, which repeats none: it may be part of a password."""
        found: dict[str, str | int] = {}
        for name, value in self._url.query.items():
            check = _OPTIONS.get(name)
            if check is None or not isinstance(value, str) or not check.fullmatch(value):
                message = f"{self._variable}: options of the URL are {', '.join(_OPTIONS)}, each with a valid value"
                raise InvalidRequest(message, param=self._variable)
            found[_NAMES.get(name, name)] = int(value) if value.isdecimal() else value
        return found

    async def _check_role(self, connection: AsyncConnection) -> None:
        """Raise `InvalidRequest` for a role whom row-level security does not bind."""
        if self._role is None:
            return
        found = (await connection.execute(_ROLE, {"role": self._role})).one()
        flaws = {
            "is a superuser": found.rolsuper,
            "has BYPASSRLS": found.rolbypassrls,
            "owns the tables": found.is_owner,
            "belongs to antiphon_jobs, which sees all tenants": found.has_upkeep and self._role != _UPKEEP,
            f"is not a member of {self._role}": not found.is_member,
        }
        if flaw := next((name for name, is_so in flaws.items() if is_so), None):
            raise InvalidRequest(
                f"{self._variable}: the role '{found.rolname}' {flaw}; this URL is for {self._role}, which row-level "
                "security binds",
                param=self._variable,
                code="wrong_database_role",
            )

    async def _enter(self, connection: AsyncConnection, tenant: str) -> None:
        await connection.execute(sa.select(sa.func.set_config("antiphon.tenant", tenant, True)))


def _state(error: Transient) -> str:
    return getattr(getattr(error.__cause__, "orig", None), "sqlstate", None) or ""
