from __future__ import annotations

import pytest

from tests.abuse.refusals import refusal
from tests.abuse.table_bombs import table_bombs
from tests.abuse.tag_bombs import tag_bombs

BOMBS = dict(table_bombs())


@pytest.mark.parametrize("count", [10**7, 2**31 - 1, 2**62])
def test_a_packet_has_at_least_a_byte_in_the_table(count: int) -> None:
    assert refusal(BOMBS[f"caf {count} packets None"]) == f"the table pakt claims {count} entries, and has 64 bytes"
    assert "has" in refusal(BOMBS[f"caf {count} packets {2**62}"])


def test_packets_in_a_file_that_is_full_of_them_count() -> None:
    assert "claims 3000000 samples" in refusal(BOMBS["caf empty packets"])


def test_the_sound_is_described_once() -> None:
    assert refusal(BOMBS["caf empty packets, described twice"]) == "the file describes its sound twice"


def test_texts_are_counted() -> None:
    assert "the table info claims 10000000 entries" in refusal(BOMBS["caf info of 10000000"])
    assert "claims 30000 tags" in refusal(dict(tag_bombs())["caf of many names"])


@pytest.mark.parametrize("samples", [2**20, 2**24, 2**32 - 1])
def test_frames_of_alac_are_of_a_usual_length(samples: int) -> None:
    assert refusal(BOMBS[f"caf alac frames of {samples}"]) == f"the file claims frames of {samples} samples"


def test_a_stream_without_a_size_passes() -> None:
    assert not refusal(BOMBS["caf data of 1"])
    assert not refusal(BOMBS[f"caf data of {2**62}"])
