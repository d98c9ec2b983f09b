from __future__ import annotations

import pytest

from antiphon.resilience.backoff import Backoff


@pytest.mark.parametrize(("attempt", "longest_s"), [(1, 0.1), (2, 0.2), (3, 0.4), (4, 0.8), (7, 5.0), (10_000, 5.0)])
def test_the_longest_wait_doubles_up_to_the_cap(attempt: int, longest_s: float) -> None:
    assert Backoff(base_s=0.1, cap_s=5.0).delay_s(attempt, lambda: 1.0) == pytest.approx(longest_s)


def test_jitter_spreads_over_the_whole_span() -> None:
    backoff = Backoff(base_s=1.0, cap_s=8.0)
    assert [backoff.delay_s(3, lambda share=share: share) for share in (0.0, 0.25, 1.0)] == [0.0, 1.0, 4.0]
