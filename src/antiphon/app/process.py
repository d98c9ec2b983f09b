"""One process: assembles and starts the parts of its roles, and ends them in reverse order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TypeVar

from antiphon.app.asgi import Doors
from antiphon.app.engines import make_engines
from antiphon.app.part import Added, Workload
from antiphon.app.readiness import Health
from antiphon.app.roles import GATEWAY, Roles, all_parts, all_roles, engine_kinds
from antiphon.app.service_checks import ServiceChecks
from antiphon.app.services import EndlessTask, Services, process_id
from antiphon.app.settings import Settings
from antiphon.app.sharing import shared
from antiphon.clock import Clock, SystemClock
from antiphon.doors.access.cors import Cors
from antiphon.doors.http.app import build_http
from antiphon.doors.http.openapi import Description, describe_api
from antiphon.doors.http.route import bound
from antiphon.doors.operation import health
from antiphon.doors.operation.pages import SITE_ROUTES
from antiphon.doors.operation.services import OperationServices, Readiness
from antiphon.doors.server.asgi import AsgiApp
from antiphon.errors import InvalidRequest
from antiphon.observe.metrics import Metrics
from antiphon.version import VERSION
from antiphon.workers import loop
from antiphon.workers.completion import WorkerOptions
from antiphon.workers.retry_policy import RetryRule
from antiphon.workers.work import with_audio

T = TypeVar("T")

_CHECK_S = 5.0
"""Timeout of a health check of a remote engine."""
_CLEAN_UP_S = 60.0
"""Interval between clean-ups of expired job audio."""
_RELEASE_S = 10.0
"""Timeout for workers to release their jobs before the rest of the process ends."""


class Process:
    """A process with the parts of its roles, and the ASGI app in front of them."""

    def __init__(self, services: Services) -> None:
        """Add the parts. Raises `InvalidRequest` for settings that contradict each other."""
        self.services = services
        self.is_draining = False
        self.stop_work = asyncio.Event()
        self.work: list[asyncio.Task[None]] = []
        settings, roles, engines = services.settings, services.roles, services.engines
        self.added: Mapping[str, Added] = {
            f"{name}:{role}": add(services)
            for name, part in all_parts().items()
            for role, add in part.adds.items()
            if role in roles
        }
        self.checks = ServiceChecks(
            lambda: engines.services(engine_kinds(roles)),
            period_s=settings.service_check_s,
            timeout_s=min(_CHECK_S, settings.provider_timeout_s),
            on_seen=services.metrics.service,
        )
        rows = services.opened_rows
        self._health = Health(
            engines,
            engine_kinds(roles),
            services.shared.circuits.refuses,
            None if rows is None else rows.store,
            self._other_checks,
        )
        self.app = self._app()

    def _app(self) -> AsgiApp:
        services = self.services
        operation = OperationServices(
            access=services.access,
            metrics=services.metrics,
            readiness=self._readiness,
            engines=services.engines.first_names,
            version=VERSION,
        )
        routes = [
            *(route for added in self.added.values() for route in added.routes),
            *bound(health.ROUTES, operation),
        ]
        site = bound(SITE_ROUTES, Description(lambda: describe_api(routes, VERSION)))
        sockets = _joined("the socket", [added.sockets for added in self.added.values()])
        requests = _joined("the door", [added.requests for added in self.added.values()])
        http = build_http((*routes, *site), services.access, services.metrics)
        methods = frozenset(route.method for route in (*routes, *site))
        return Cors(Doors(http, sockets, requests), services.access, methods)

    def _other_checks(self) -> dict[str, bool]:
        found = dict(self.services.checks())
        for added in self.added.values():
            found.update(added.checks())
        return found

    async def _readiness(self) -> Readiness:
        return replace(await self._health.look(draining=self.is_draining), services=self.checks.seen)

    async def drain(self) -> None:
        """Stop taking work; return when running work has ended, or after the drain time."""
        self.is_draining = True
        drain_s = self.services.settings.drain_s
        until = time.monotonic() + drain_s
        drains = [added.drain for added in self.added.values() if added.drain is not None]
        await asyncio.gather(*(drain(drain_s) for drain in (*self.services.lifetime.drains, *drains)))
        self.stop_work.set()
        if self.work:
            await asyncio.wait(self.work, timeout=max(0.0, until - time.monotonic()))

    def begin(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Start the tasks and the work of all parts; return the tasks, which end only when cancelled."""
        services = self.services
        work = [one for added in self.added.values() for one in added.work]
        queues = tuple(one.queue for one in work)
        own: dict[str, EndlessTask] = {
            "checks of services": self.checks.run,
            "queue depths": lambda: services.shared.watch_queues(services.metrics, queues),
        }
        if (audio := services.shared.audio) is not None:
            own["expired audio of jobs"] = lambda: audio.run(_CLEAN_UP_S)
        tasks = _joined("the task", [services.lifetime.tasks, own, *(added.tasks for added in self.added.values())])
        self.work = [group.create_task(self._work_on(one), name=f"{one.queue} worker") for one in work]
        return [group.create_task(task(), name=name) for name, task in tasks.items()]

    async def _work_on(self, work: Workload) -> None:
        settings, shared = self.services.settings, self.services.shared
        await loop.run(
            shared.bus,
            work.queue,
            work.handler if shared.audio is None else with_audio(work.handler, shared.audio),
            process_id(work.queue),
            WorkerOptions(retry=RetryRule(attempts=settings.bus_attempts), heartbeat_s=settings.bus_lease_s / 3),
            concurrency=work.slots,
            patient=work.patient_slots,
            clock=self.services.clock,
            metrics=self.services.metrics,
            measure=work.measure,
            stop=self.stop_work,
        )

    async def end(self, tasks: list[asyncio.Task[None]]) -> None:
        """End the work and the tasks of all parts before the bus closes: unfinished jobs are released to it."""
        for added in self.added.values():
            if added.close is not None:
                await added.close()
        for work in self.work:
            work.cancel()
        if self.work:
            await asyncio.wait(self.work, timeout=_RELEASE_S)
        rows = self.services.opened_rows
        if rows is not None:
            await rows.writer.drain()  # unwritten rows of other gateways stay in the queue
        await self.services.shared.bus.close()
        for task in tasks:
            task.cancel()


def _joined(what: str, parts: Iterable[Mapping[str, T]]) -> dict[str, T]:
    """Merge the contributions of all parts. Raises `ValueError` for a name added twice."""
    found: dict[str, T] = {}
    for part in parts:
        for name, one in part.items():
            if name in found:
                raise ValueError(f"Two parts add {what} '{name}'.")
            found[name] = one
    return found


@asynccontextmanager
async def process(
    settings: Settings, clock: Clock | None = None, *, roles: Roles | None = None
) -> AsyncGenerator[Process]:
    """Run a process with these roles, by default all; end its parts in reverse order.

    Raises `AntiphonError`.
    """
    chosen = all_roles() if roles is None else roles
    if chosen != all_roles() and not settings.redis_url:
        variable = "ANTIPHON_REDIS_URL"
        raise InvalidRequest(f"{variable} is not set: without it a process must run all roles.", param=variable)
    clock = clock or SystemClock()
    metrics = Metrics()
    async with shared(settings, clock, metrics, waits=GATEWAY not in chosen) as own:
        engines = make_engines(settings, own.breakers, metrics.tts_failover, metrics.engine_failure)
        services = Services(settings, chosen, clock, metrics, own, engines)
        try:
            made = Process(services)
            for start in services.lifetime.starts:
                await start()
            await engines.start(engine_kinds(chosen))
            async with asyncio.TaskGroup() as group:
                tasks = made.begin(group)
                try:
                    yield made
                finally:
                    await made.end(tasks)
        finally:
            async with AsyncExitStack() as ending:  # closes the next even if one raises
                for close in services.lifetime.closes:
                    ending.push_async_callback(close)
                ending.push_async_callback(engines.close)
