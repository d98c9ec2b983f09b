from __future__ import annotations

import pytest

from antiphon.conversation.numbered_ids import number_in, numbered


@pytest.mark.parametrize("number", [0, 7, 9_999_999, 10_000_000, 10**14])
def test_an_id_gives_back_its_number(number: int) -> None:
    assert number_in("item", "seed", numbered("item", "seed", number)) == number


@pytest.mark.parametrize(
    "given", ["", "item_", "item_seed", "item_seed1", "item_seed00000007", "item_seed000000٣", "event_seed0000003"]
)
def test_an_id_that_was_not_given_out_has_none(given: str) -> None:
    assert number_in("item", "seed", given) is None


def test_an_id_of_another_conversation_has_none() -> None:
    assert number_in("item", "seed", numbered("item", "other", 3)) is None
