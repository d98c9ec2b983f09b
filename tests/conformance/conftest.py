"""One body of tests per port, for every adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.conformance.buses import ADAPTERS, AnyBus


@pytest.fixture(params=list(ADAPTERS))
async def bus(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[AnyBus]:
    async with ADAPTERS[request.param](redis_url) as made:
        yield made
