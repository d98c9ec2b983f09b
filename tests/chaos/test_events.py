"""2,000 events while relays, consumers and Redis are killed; `make soak-events` does it with 100,000."""

from __future__ import annotations

import pytest

from tests.chaos.events import own_valkey, run


@pytest.mark.timeout(180)
async def test_each_effect_happens_once_and_in_order_whatever_is_killed(postgres_url: str) -> None:
    with own_valkey() as valkey:
        report = await run(postgres_url, valkey, 2_000, kills=6, seed=5, pause_s=0.5)
    assert report.is_good, report
