"""Periodic health checks of remote engines, independent of calls to them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping

import structlog

from antiphon.errors import ProviderTimeout
from antiphon.observe.failures import error_fields
from antiphon.ports.engine import Checked

_JITTER = 0.25
"""Relative jitter of a period, so that the processes of a fleet do not check at the same time."""

_log = structlog.get_logger(__name__)


class ServiceChecks:
    """The last check of each remote engine, for information only: calls have their own circuits."""

    def __init__(
        self,
        services: Callable[[], Mapping[str, Checked]],
        *,
        period_s: float,
        timeout_s: float,
        on_seen: Callable[[str, bool], None] = lambda _name, _is_up: None,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        """``services`` returns the engines to check by endpoint (``llm:openai``); a ``period_s`` of 0 disables checks.

        ``on_seen`` is called after each check.
        """
        self._services = services
        self._period_s = period_s
        self._timeout_s = timeout_s
        self._on_seen = on_seen
        self._uniform = uniform
        self._seen: dict[str, bool | None] = {}

    @property
    def seen(self) -> Mapping[str, bool | None]:
        """The result of each last check; None before the first."""
        return self._seen

    async def run(self) -> None:
        """Check each engine once per period, endlessly."""
        if not self._period_s:
            return
        services = self._services()
        self._seen.update(dict.fromkeys(services))
        async with asyncio.TaskGroup() as group:
            for name, service in services.items():
                group.create_task(self._watch(name, service), name=f"check {name}")

    async def _watch(self, name: str, service: Checked) -> None:
        while True:
            await asyncio.sleep(self._period_s * (1 - _JITTER + 2 * _JITTER * self._uniform()))
            failure = await self._failure(service)
            before, self._seen[name] = self._seen[name], failure is None
            self._on_seen(name, failure is None)
            if failure is not None and before is not False:
                _log.warning("service check failed", endpoint=name, **error_fields(failure))
            elif failure is None and before is False:
                _log.info("service recovered", endpoint=name)

    async def _failure(self, service: Checked) -> Exception | None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await service.check()
        except TimeoutError:
            return ProviderTimeout(f"no answer within {self._timeout_s:g} s")
        except Exception as error:  # noqa: BLE001 - the outermost loop: an engine of others may raise anything
            return error
        return None
