"""Services are asked from time to time how they are; what is seen is told, and decides nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from structlog.testing import capture_logs

from antiphon.app.service_checks import ServiceChecks
from antiphon.clock import VirtualClock
from antiphon.errors import ProviderUnavailable
from tests.fakes.models_server import ModelsServer
from tests.serving import serving
from tests.virtual_time import on_virtual_time

PERIOD_S = 30.0


class Service:
    """Answers, fails or hangs, and notes when it was asked."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.hangs = False
        self.asked: list[float] = []

    async def check(self) -> None:
        self.asked.append(asyncio.get_running_loop().time())
        if self.hangs:
            await asyncio.Event().wait()
        if self.failure:
            raise self.failure


@contextmanager
def watched(service: Service, **options: Any) -> Iterator[ServiceChecks]:
    checks = ServiceChecks(
        lambda: {"llm:openai": service}, **{"period_s": PERIOD_S, "timeout_s": 5.0, "uniform": lambda: 0.5, **options}
    )
    running = asyncio.ensure_future(checks.run())
    try:
        yield checks
    finally:
        running.cancel()


@on_virtual_time
async def test_it_is_asked_once_in_a_period_and_unknown_before(clock: VirtualClock) -> None:
    service = Service()
    with watched(service) as checks:
        await asyncio.sleep(PERIOD_S - 1)
        assert checks.seen == {"llm:openai": None}
        await asyncio.sleep(2)
        assert checks.seen == {"llm:openai": True}
        await asyncio.sleep(PERIOD_S * 2)
    begin = service.asked[0]
    assert [at - begin for at in service.asked] == [0, PERIOD_S, PERIOD_S * 2]


@on_virtual_time
async def test_periods_differ_by_a_quarter_at_most(clock: VirtualClock) -> None:
    service, lots = Service(), iter([0.0, 1.0, 0.0])
    begin = asyncio.get_running_loop().time()
    with watched(service, uniform=lambda: next(lots)):
        await asyncio.sleep(PERIOD_S * 2.1)
    assert [at - begin for at in service.asked] == [PERIOD_S * 0.75, PERIOD_S * 2]


@on_virtual_time
async def test_a_failure_is_told_when_it_begins_and_when_it_ends(clock: VirtualClock) -> None:
    service, seen = Service(), list[tuple[str, bool]]()
    with capture_logs() as logs, watched(service, on_seen=lambda name, is_up: seen.append((name, is_up))) as checks:
        for failure in (None, ProviderUnavailable("openai answered 500"), ZeroDivisionError("a bug"), None):
            service.failure = failure
            await asyncio.sleep(PERIOD_S)
            await asyncio.sleep(0)
            assert checks.seen["llm:openai"] is (failure is None)
    assert [is_up for _, is_up in seen] == [True, False, False, True]
    assert [(log["event"], log["endpoint"]) for log in logs] == [
        ("service check failed", "llm:openai"),
        ("service recovered", "llm:openai"),
    ]


@on_virtual_time
async def test_a_service_that_hangs_is_not_well_and_is_asked_again(clock: VirtualClock) -> None:
    service = Service()
    service.hangs = True
    with watched(service) as checks:
        await asyncio.sleep(PERIOD_S + 6)
        assert checks.seen == {"llm:openai": False}
        await asyncio.sleep(PERIOD_S + 1)
    assert len(service.asked) == 2


@on_virtual_time
async def test_without_a_period_nothing_is_asked(clock: VirtualClock) -> None:
    service = Service()
    with watched(service, period_s=0) as checks:
        await asyncio.sleep(1000)
    assert (service.asked, dict(checks.seen)) == ([], {})


KEY = "sk-of-these-tests"


async def test_who_may_use_the_server_reads_how_its_services_are(tmp_path: Path) -> None:
    async with ModelsServer().running() as service:
        service.status = 500
        settings: dict[str, Any] = {
            "llm": "openai,stub",
            "openai_base_url": f"{service.base_url}/v1",
            "openai_api_key": "sk-of-the-service",
            "service_check_s": 0.05,
            "api_keys": KEY,
        }
        async with serving(tmp_path, **settings) as served, httpx.AsyncClient(base_url=served.url) as client:
            mine = {"authorization": f"Bearer {KEY}"}

            async def services() -> Any:
                return (await client.get("/ready?verbose=1", headers=mine)).json()["services"]

            async with asyncio.timeout(10):
                while await services() != {"llm:openai": False}:
                    await asyncio.sleep(0.01)
                ready = await client.get("/ready?verbose=1", headers=mine)
                assert ready.status_code == 200, "the next engine of the chain answers"
                assert "sk-of-the-service" not in ready.text
                service.status = 200
                while await services() != {"llm:openai": True}:
                    await asyncio.sleep(0.01)
            metrics = (await client.get("/metrics", headers=mine)).text
            assert 'service_up{endpoint="llm:openai"} 1.0' in metrics
            assert 'circuit_open{endpoint="llm:openai"} 1.0' not in metrics
            assert "services" not in (await client.get("/ready?verbose=1")).json()
            assert "services" not in (await client.get("/ready", headers=mine)).json()
            assert all(asked == "GET /v1/models" for asked in service.asked), json.dumps(service.asked)


async def test_engines_of_this_machine_are_not_asked(tmp_path: Path) -> None:
    async with serving(tmp_path, service_check_s=0.05) as served, httpx.AsyncClient(base_url=served.url) as client:
        assert (await client.get("/ready?verbose=1")).json()["services"] == {}
