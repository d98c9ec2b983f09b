from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from antiphon.resilience.budget import RetryBudget


def test_the_reserve_is_all_there_is_while_nothing_succeeds() -> None:
    budget = RetryBudget(share=0.1, reserve=3.0)
    assert [budget.spend() for _ in range(5)] == [True, True, True, False, False]


def test_ten_successes_earn_a_retry() -> None:
    budget = RetryBudget(share=0.1, reserve=1.0)
    assert budget.spend()
    for _ in range(9):
        budget.earn()
    assert not budget.spend()
    for _ in range(2):  # a tenth is no exact number
        budget.earn()
    assert budget.spend()


@given(st.lists(st.booleans(), max_size=200))
def test_retries_never_exceed_the_reserve_and_a_share_of_the_successes(calls: list[bool]) -> None:
    budget = RetryBudget(share=0.25, reserve=4.0)
    retries = sum(budget.spend() for ok in calls if not ok or budget.earn() is not None)
    assert retries <= 4 + 0.25 * sum(calls)
