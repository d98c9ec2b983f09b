"""Asking remote engines from time to time how they are, whether or not somebody calls them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping

import structlog

from antiphon.errors import ProviderTimeout
from antiphon.observe.failures import error_fields
from antiphon.ports.engine import Checked

_JITTER = 0.25
"""A period is up to so much longer or shorter, so that the processes of a fleet do not ask at the same time."""

_log = structlog.get_logger(__name__)


class ServiceChecks:
    """What was last seen of each service: it is told, and decides nothing. Calls have circuits of their own."""

    def __init__(
        self,
        services: Callable[[], Mapping[str, Checked]],
        *,
        period_s: float,
        timeout_s: float,
        on_seen: Callable[[str, bool], None] = lambda _name, _is_up: None,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        """``services`` gives those to ask by endpoint (``llm:openai``); a ``period_s`` of 0 asks none.

        ``on_seen`` is told of each check.
        """
        self._services = services
        self._period_s = period_s
        self._timeout_s = timeout_s
        self._on_seen = on_seen
        self._uniform = uniform
        self._seen: dict[str, bool | None] = {}

    @property
    def seen(self) -> Mapping[str, bool | None]:
        """Whether each service was well when it was last asked; None while it was not asked yet."""
        return self._seen

    async def run(self) -> None:
        """Ask each service once in a period, endlessly."""
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
                _log.warning("service is not well", endpoint=name, **error_fields(failure))
            elif failure is None and before is False:
                _log.info("service is well again", endpoint=name)

    async def _failure(self, service: Checked) -> Exception | None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await service.check()
        except TimeoutError:
            return ProviderTimeout(f"it gave no answer within {self._timeout_s:g} s")
        except Exception as error:  # noqa: BLE001 - the outermost loop: an engine of others may raise anything
            return error
        return None
