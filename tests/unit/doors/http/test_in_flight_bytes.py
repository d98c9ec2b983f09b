from __future__ import annotations

import pytest

from antiphon.doors.http.in_flight_bytes import ByteBudget
from antiphon.errors import Overloaded
from antiphon.ports.limiter import Account

ANNA, BELA = Account("t", "anna"), Account("t", "bela")


def budget_of(limit_bytes: int) -> ByteBudget:
    return ByteBudget(limit_bytes, most_per_account=limit_bytes)


def test_a_request_that_does_not_fit_is_refused_until_others_are_done() -> None:
    budget = budget_of(100)
    with budget.hold(ANNA, 60):
        with pytest.raises(Overloaded), budget.hold(ANNA, 41):
            raise AssertionError("there was no room")
        with budget.hold(ANNA, 40):
            assert budget.held_bytes == 100
    assert budget.held_bytes == 0


def test_one_alone_always_fits() -> None:
    budget = budget_of(100)
    with budget.hold(ANNA, 1000):
        assert budget.held_bytes == 1000
    assert budget.held_bytes == 0


def test_an_error_frees_what_was_held() -> None:
    budget = budget_of(100)
    with pytest.raises(ZeroDivisionError), budget.hold(ANNA, 50):
        raise ZeroDivisionError
    assert budget.held_bytes == 0


def test_an_account_that_holds_its_share_leaves_room_for_others() -> None:
    budget = ByteBudget(100, most_per_account=80)
    with budget.hold(ANNA, 50):
        with pytest.raises(Overloaded), budget.hold(ANNA, 31):
            raise AssertionError("there was no room")
        with budget.hold(ANNA) as grow, budget.hold(BELA, 20):
            grow(30)
            with pytest.raises(Overloaded):
                grow(1)
    with budget.hold(ANNA, 90):
        assert budget.held_bytes == 90, "one alone always fits"
