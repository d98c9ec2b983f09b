"""Identifiers: a prefix, and random characters that URLs and JSON need not escape."""

from __future__ import annotations

import re

import pytest

from antiphon import ids


@pytest.mark.parametrize("length", [0, 1, 21, 64])
def test_a_token_has_as_many_characters_as_asked_for(length: int) -> None:
    assert re.fullmatch(rf"[0-9A-Za-z]{{{length}}}", ids.token(length))


def test_an_id_is_its_prefix_and_125_random_bits() -> None:
    assert re.fullmatch(r"sess_[0-9A-Za-z]{21}", ids.new_id("sess"))


def test_no_two_ids_are_the_same() -> None:
    assert len({ids.new_id("item") for _ in range(1_000)}) == 1_000


def test_the_conversation_of_a_seed_has_one_id() -> None:
    assert ids.conversation_id("abc") == "conv_abc"
