from __future__ import annotations

import pytest

from antiphon.providers.hosting.speed import SpeakingSpeed

PACE = SpeakingSpeed({0.5: 1.9, 1.0: 1.0, 2.0: 0.55})


@pytest.mark.parametrize("speed", [0.25, 0.4, 0.55, 0.8, 1.0, 1.3, 1.8, 2.0, 4.0])
def test_what_the_engine_does_and_what_is_stretched_make_the_speed(speed: float) -> None:
    own, rest = PACE.plan(speed)
    assert 0.5 <= own <= 2.0
    share = 1.0 + (own - 1.0) * ((0.55 - 1.0) if own > 1 else (1.0 - 1.9) / 0.5)
    assert share / rest == pytest.approx(1 / speed, rel=0.01)


def test_within_its_measure_nothing_is_stretched() -> None:
    assert PACE.plan(1.0) == (1.0, 1.0)
    assert [PACE.plan(speed)[1] for speed in (0.6, 1.0, 1.7)] == [1.0, 1.0, 1.0]
    assert PACE.plan(4.0)[1] == pytest.approx(2.2)
