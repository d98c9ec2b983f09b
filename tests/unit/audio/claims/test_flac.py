from __future__ import annotations

import pytest

from tests.abuse.honest_files import honest_files
from tests.abuse.refusals import refusal
from tests.abuse.table_bombs import table_bombs
from tests.abuse.tag_bombs import comments, flac_file

FLAC = honest_files()["flac-flac"]
BOMBS = dict(table_bombs())


@pytest.mark.parametrize("count", [10_001, 10**7, 2**32 - 1])
def test_comments_are_counted(count: int) -> None:
    assert refusal(flac_file(FLAC, comments([b"a=b"], count))) == f"the file claims {count} tags, and may have 10000"


def test_comments_of_all_blocks_count_together() -> None:
    file = FLAC
    for _ in range(11):
        file = flac_file(file, comments([b"a=b"] * 1_000))
    assert "tags, and may have 10000" in refusal(file)


def test_points_of_the_seek_table_are_there() -> None:
    assert not refusal(BOMBS["flac seek table"])


def test_many_blocks_end_the_walk() -> None:
    assert "parts or more" in refusal(BOMBS["flac many blocks"])
