from __future__ import annotations

import struct

import pytest

from antiphon.audio.claims import source
from antiphon.audio.sniff import container_of
from tests.abuse.refusals import refusal
from tests.abuse.table_bombs import table_bombs
from tests.abuse.tag_bombs import tag_bombs

BOMBS = dict(table_bombs()) | dict(tag_bombs())


@pytest.mark.parametrize("count", [10**7, 2**31 - 1, 2**32 - 1])
def test_a_list_in_a_script_must_lie_in_it(count: int) -> None:
    assert f"the table of a script claims {count} entries, and has" in refusal(BOMBS[f"flv list of {count}"])
    assert f"the table of a script claims {count} entries, and has" in refusal(BOMBS[f"flv keyframes of {count}"])


def test_values_with_names_are_counted() -> None:
    assert "claims 10001 tags" in refusal(BOMBS["flv of many names"])


def test_objects_inside_objects_end_the_walk() -> None:
    assert "claims 10001 tags" in refusal(BOMBS["flv nested script"])


def test_lists_of_an_honest_length_pass() -> None:
    assert not refusal(BOMBS["flv list of 0"])
    assert not refusal(BOMBS["flv many scripts"])


def test_tags_begin_where_the_header_says() -> None:
    bomb = BOMBS["flv of many names"]
    shifted = bomb[:5] + struct.pack(">I", 9 + 15) + bytes(4) + b"\x08\xff\xff\xff" + bytes(11) + bomb[13:]
    assert container_of(shifted) == "flv"
    assert "claims 10001 tags" in refusal(shifted)


def test_scripts_are_found_behind_any_number_of_tags() -> None:
    bomb, empty = BOMBS["flv of many names"], b"\x08" + bytes(10) + struct.pack(">I", 11)
    assert not refusal(bomb[:13] + empty * 250_000)
    assert "claims 10001 tags" in refusal(bomb[:13] + empty * 250_000 + bomb[13:])


def test_very_many_tags_without_anything_in_them_end_the_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "FREE_PARTS", 1_000)
    assert "parts or more" in refusal(BOMBS["flv of many names"][:13] + bytes(15) * 20_000)
