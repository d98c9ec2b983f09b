from __future__ import annotations

from tests.abuse.refusals import refusal
from tests.abuse.table_bombs import table_bombs

BOMBS = dict(table_bombs())


def test_the_description_of_a_codec_is_short() -> None:
    assert refusal(BOMBS["aiff large description"]) == "the description of a codec claims 4194304 bytes"
    assert not refusal(BOMBS["aiff wave of 0"])


def test_other_sizes_cost_nothing() -> None:
    for name in ("SSND", "NAME", "COMM", "frames"):
        assert not refusal(BOMBS[f"aiff {name} of {2**32 - 1}"])
