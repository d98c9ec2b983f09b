from __future__ import annotations

import pytest

from antiphon.doors.budget import ByteBudget
from antiphon.errors import Overloaded


def test_what_does_not_fit_beside_the_others_is_refused_until_they_are_done() -> None:
    budget = ByteBudget(100)
    with budget.hold(60):
        with pytest.raises(Overloaded), budget.hold(41):
            raise AssertionError("there was no room")
        with budget.hold(40):
            assert budget.held_bytes == 100
    assert budget.held_bytes == 0


def test_one_alone_always_fits() -> None:
    budget = ByteBudget(100)
    with budget.hold(1000):
        assert budget.held_bytes == 1000
    assert budget.held_bytes == 0


def test_an_error_frees_what_was_held() -> None:
    budget = ByteBudget(100)
    with pytest.raises(ZeroDivisionError), budget.hold(50):
        raise ZeroDivisionError
    assert budget.held_bytes == 0
