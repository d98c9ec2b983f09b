"""Whether this process can do its work: its engines, its database, and what it shares with other processes."""

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
"""A database that needs longer to be looked at does not work."""
_FRESH_S, _OLD_S = 1.0, 3.0
"""How long what was seen is told without another look, and how long while there is one."""


class DatabaseCheck:
    """Looks at the database when asked; those who ask at the same time share one look.

    Who asks again soon is told what was seen, at most 3 s ago: a look goes through the database's thread, and who is
    served by a busy loop would wait for dozens of its turns.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._look: asyncio.Task[None] | None = None
        self._seen = False
        self._seen_at = -math.inf

    async def works(self) -> bool:
        """Say within a second whether it can be read."""
        age_s = monotonic() - self._seen_at
        if age_s > _FRESH_S and (self._look is None or self._look.done()):
            self._look = unattended(self._read(), name="look at the database")
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
    """How the parts of this process are."""

    def __init__(
        self,
        engines: Engines,
        kinds: Collection[str],
        refuses: Callable[[str], bool],
        store: Store | None,
        others: Callable[[], Mapping[str, bool]],
    ) -> None:
        """``kinds`` of engines are started here; ``store`` is None where none is; ``others`` are further checks."""
        self._engines = engines
        self._kinds = kinds
        self._refuses = refuses
        self._database = None if store is None else DatabaseCheck(store)
        self._others = others

    async def look(self, *, draining: bool) -> Readiness:
        """Return it, within a second."""
        states = self._engines.states(self._kinds, self._refuses)
        checks = {"engines": all("ok" in states[kind].values() for kind in states), **self._others()}
        if self._database is not None:
            checks["database"] = checks.get("database", True) and await self._database.works()
        return Readiness(ready=all(checks.values()), draining=draining, checks=checks, engines=states)
