"""One body of tests per port, for every adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.conformance.buses import ADAPTERS, LONG_LEASES, AnyBus


@pytest.fixture(params=list(ADAPTERS))
async def bus(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[AnyBus]:
    async with ADAPTERS[request.param](redis_url) as made:
        yield made


@pytest.fixture(params=list(ADAPTERS))
async def calm(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[AnyBus]:
    """The same, with leases that do not run out."""
    async with ADAPTERS[request.param](redis_url, LONG_LEASES) as made:
        yield made
