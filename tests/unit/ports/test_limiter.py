"""Which limit is exhausted."""

from __future__ import annotations

import pytest

from antiphon.ports.limiter import Allowance, used_up


def left(name: str, remaining: int) -> Allowance:
    return Allowance(name, 10, remaining, 1.0)


@pytest.mark.parametrize(
    ("allowances", "name"),
    [
        ((), None),
        ((left("requests", 1), left("tokens", 10)), None),
        ((left("requests", 0), left("tokens", 10)), "requests"),
        ((left("requests", 1), left("tokens", -5)), "tokens"),
        ((left("requests", -1), left("tokens", -5)), "requests"),
    ],
)
def test_the_first_limit_of_which_nothing_is_left_is_found(allowances: tuple[Allowance, ...], name: str | None) -> None:
    found = used_up(allowances)
    assert (None if found is None else found.name) == name
