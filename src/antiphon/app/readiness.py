"""Readiness of this process: its engines, its database and its shared services."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Mapping
from time import monotonic

from antiphon.app.engines import Engines
from antiphon.doors.operation.services import Readiness
from antiphon.errors import AntiphonError
from antiphon.observe.tasks import unattended
from antiphon.ports.store import Store

_LOOK_S = 1.0
"""Timeout of a database check."""
_FRESH_S, _OLD_S = 1.0, 3.0
"""How long a result is reused without a new check, and while a new check is running."""


class DatabaseCheck:
    """Checks the database on request; concurrent requests share one check.

    A result is reused for up to 3 s: a check runs in the database's thread, and on a busy event loop its result takes
    dozens of turns to arrive.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._look: asyncio.Task[None] | None = None
        self._seen = False
        self._seen_at = -math.inf

    async def works(self) -> bool:
        """Return within a second whether the database can be read."""
        age_s = monotonic() - self._seen_at
        if age_s > _FRESH_S and (self._look is None or self._look.done()):
            self._look = unattended(self._read(), name="database check")
        if self._look is not None and age_s > _OLD_S:
            await asyncio.shield(self._look)
        return self._seen

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_S):
                await self._store.check()
            self._seen = True
        except (AntiphonError, TimeoutError):
            self._seen = False
        self._seen_at = monotonic()


class Health:
    """Collects the readiness of this process."""

    def __init__(
        self,
        engines: Engines,
        kinds: Collection[str],
        refuses: Callable[[str], bool],
        store: Store | None,
        others: Callable[[], Mapping[str, bool]],
    ) -> None:
        """``kinds`` of engines run here; ``store`` is None if there is none; ``others`` returns further checks."""
        self._engines = engines
        self._kinds = kinds
        self._refuses = refuses
        self._database = None if store is None else DatabaseCheck(store)
        self._others = others

    async def look(self, *, draining: bool) -> Readiness:
        """Return the readiness, within a second."""
        states = self._engines.states(self._kinds, self._refuses)
        checks = {"engines": all("ok" in states[kind].values() for kind in states), **self._others()}
        if self._database is not None:
            checks["database"] = checks.get("database", True) and await self._database.works()
        return Readiness(ready=all(checks.values()), draining=draining, checks=checks, engines=states)
