from __future__ import annotations

import io
from collections import Counter
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.audio.claims import check_claims
from antiphon.audio.sniff import FILM_CONTAINERS, container_of
from antiphon.errors import InvalidRequest
from tests.abuse.honest_files import honest_files, sound_file
from tests.abuse.lying_files import bombs, damaged_files
from tests.abuse.mov_bombs import mov_bomb
from tests.abuse.refusals import refusal

AUDIO = Path(__file__).parents[3] / "audio"
RECORDINGS = sorted(path for path in AUDIO.iterdir() if path.suffix in {".wav", ".flac", ".aiff"})

_MOST_BYTES = 100_000
"""Larger bombs are left to `tests/abuse/test_files.py`: under the measuring of coverage each takes seconds."""


class Counting(io.BytesIO):
    """A file that counts how it is read."""

    reads = 0
    bytes_read = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.reads += 1
        self.bytes_read += len(data)
        return data


def test_honest_files_of_all_kinds_pass() -> None:
    for data in honest_files().values():
        assert not refusal(data)


def test_the_honest_files_are_of_all_containers_that_can_be_written() -> None:
    assert {container_of(data) for data in honest_files().values()} == FILM_CONTAINERS - {"amr"}
    assert not refusal(sound_file("amr", "libopencore_amrnb"))


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)
def test_recordings_pass(path: Path) -> None:
    assert not refusal(path.read_bytes())


@pytest.mark.parametrize(
    ("muxer", "codec", "options"),
    [
        ("mov", "pcm_u8", {}),
        ("mp4", "aac", {"movflags": "frag_every_frame+empty_moov"}),
        ("webm", "vorbis", {"live": "1"}),
        ("caf", "alac", {}),
    ],
)
def test_long_files_pass(muxer: str, codec: str, options: dict[str, str]) -> None:
    assert not refusal(sound_file(muxer, codec, 100.0, silent=True, **options))


def test_honest_files_that_are_cut_anywhere_pass() -> None:
    for name, data in honest_files().items():
        for end in range(16, len(data), len(data) // 50):
            assert not refusal(data[:end]), (name, end)


def test_most_bombs_are_refused_and_none_is_walked_for_long() -> None:
    refused: Counter[str | None] = Counter()
    for name, data in bombs():
        if len(data) > _MOST_BYTES:
            continue
        file = Counting(data)
        try:
            check_claims(file, container_of(data) or "")
        except InvalidRequest:
            refused[container_of(data)] += 1
        assert file.reads < 20_000 + len(data) // 256, name
        assert file.bytes_read < 4_096 * file.reads + 2 * len(data), name
    assert refused.keys() < FILM_CONTAINERS - {"aac", "amr", "au", "mpegts"}  # there FFmpeg takes no claim's word
    assert refused.total() > 80


@pytest.mark.parametrize("data", [mov_bomb(10), mov_bomb(10**7)], ids=["honest", "lying"])
def test_the_file_is_left_at_its_beginning(data: bytes) -> None:
    file = io.BytesIO(data)
    file.seek(100)
    with suppress(InvalidRequest):
        check_claims(file, "mov")
    assert file.tell() == 0


def test_any_damage_is_checked_without_an_error_of_another_kind() -> None:
    for _, data in islice(damaged_files(seed=7), 300):
        refusal(data)


@given(st.sampled_from(sorted(FILM_CONTAINERS)), st.binary(max_size=300))
def test_any_bytes_pass_or_are_refused(container: str, data: bytes) -> None:
    refusal(data, container)
