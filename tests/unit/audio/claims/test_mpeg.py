from __future__ import annotations

from tests.abuse.refusals import refusal
from tests.abuse.table_bombs import silent_bombs


def test_packets_with_hardly_anything_in_them_are_counted() -> None:
    bombs = dict(silent_bombs())
    assert "parts or more" in refusal(bombs["mpeg empty packets"])
    assert "parts or more" in refusal(bombs["mpeg many streams"])
