from __future__ import annotations

import pytest

from antiphon.text.leagues import spell_leagues


@pytest.mark.parametrize(
    ("written", "spelled"),
    [
        ("the NFL season", "the N F L season"),
        ("NBA, MLB and NHL.", "N B A, M L B and N H L."),
        ("the NFL's best", "the N F L's best"),
        ("NFLPA, nfl", "NFLPA, nfl"),
    ],
)
def test_leagues_are_spelled_with_spaces_and_nothing_else_is(written: str, spelled: str) -> None:
    assert spell_leagues(written) == spelled
