"""One body of tests per port, for every adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.conformance.buses import ADAPTERS, InspectableBus


@pytest.fixture(params=list(ADAPTERS))
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[InspectableBus]:
    made = await ADAPTERS[request.param]()
    yield made
    await made.close()
