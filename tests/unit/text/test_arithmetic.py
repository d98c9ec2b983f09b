"""Small sums are understood, everything else is left alone."""

from __future__ import annotations

import pytest

from antiphon.text.arithmetic import answer


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("what is 12 times 7?", "84"),
        ("2+2", "4"),
        ("how much is 10 divided by 4", "2.5"),
        ("3.5 - 4", "-0.5"),
        ("1 / 3", "0.3333"),
        ("5 minus 5", "0"),
        ("1 divided by 0", "not defined"),
        ("100 x 10", "1000"),
        ("0,5 plus 0,25", "0.75"),
        ("999999999999999 * 999999999999999", "999999999999998000000000000001"),
    ],
)
def test_a_sum_of_two_numbers_is_computed(text: str, result: str) -> None:
    assert answer(text) == result


@pytest.mark.parametrize("text", ["", "hello", "call 555-1234 please", "what is love", "1 + 2 + 3", "9" * 400])
def test_anything_else_is_not_a_sum(text: str) -> None:
    assert answer(text) is None
