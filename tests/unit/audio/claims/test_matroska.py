from __future__ import annotations

import struct

import pytest

from tests.abuse.matroska_bombs import (
    ATTACHMENTS,
    CHAPTERS,
    CUES,
    TAGS,
    element,
    matroska_bombs,
    matroska_file,
    number,
    small,
    track,
)
from tests.abuse.refusals import refusal

BOMBS = dict(matroska_bombs())


@pytest.mark.parametrize(
    "name",
    [
        *("large cues", "large cue positions", "large tags", "large chapters", "large attachments", "large seek heads"),
        *("cues of unknown size", "tags behind the sound", "chapters in the sound", "attachments behind an error"),
        *("many encodings", "block additions"),
    ],
)
def test_lists_of_which_ffmpeg_makes_much_more_are_refused_wherever_they_are(name: str) -> None:
    assert "parts or more" in refusal(BOMBS[f"matroska {name}"])


def test_lists_of_an_honest_length_pass() -> None:
    cue = element("BB", number("B3", 1), element("B7", number("F7", 1), number("F1", 1)))
    chapter = element("B6", number("73C4", 1), number("91", 1))
    tag = element("67C8", small("45A3", b"TITLE"), small("4487", b"a film"))
    attached = element("61A7", small("466E", b"a"), small("4660", b"font/ttf"), element("465C", bytes(100_000)))
    file = matroska_file(
        element(CUES, cue * 7_200),
        element(CHAPTERS, element("45B9", chapter * 500)),
        element(TAGS, element("7373", tag * 500)),
        element(ATTACHMENTS, attached * 20),
        tracks=b"".join(track(index) for index in range(1, 33)),
    )
    assert not refusal(file)


def test_tracks_and_tags_are_counted() -> None:
    assert "more than 32 tracks" in refusal(BOMBS["matroska many tracks"])
    assert "claims 10001 tags" in refusal(matroska_file(element(TAGS, element("7373", small("67C8") * 10_001))))


@pytest.mark.parametrize("algorithm", [0, 1, 2])
@pytest.mark.parametrize("kind", [2, 17])
def test_many_compressed_frames_in_one_block_are_refused(algorithm: int, kind: int) -> None:
    for how in ("laced", "grouped"):
        assert "compressed frames in one block" in refusal(BOMBS[f"matroska packed {how} {algorithm} {kind}"])
    assert not refusal(BOMBS[f"matroska packed {algorithm} {kind}"])


@pytest.mark.parametrize("name", [name for name in BOMBS if name.startswith("matroska packed laced,")])
def test_of_elements_that_come_twice_or_elsewhere_none_hides_another(name: str) -> None:
    assert "compressed frames in one block" in refusal(BOMBS[name])


def test_what_is_put_before_every_frame_is_short() -> None:
    assert "a common prefix of" in refusal(BOMBS["matroska stripped laced"])
    twice = number("4254", 3) + element("4255", bytes(2**20)) + element("4255", b"x")
    encodings = element("6D80", element("6240", element("5034", twice)))
    assert "a common prefix of" in refusal(matroska_file(tracks=track(1, 2, b"A_AAC", encodings)))
    assert not refusal(BOMBS["matroska packed laced 3 2"])


def test_frames_of_alac_are_of_a_usual_length() -> None:
    for samples, message in ((4_096, ""), (2**24, "the file claims frames of 16777216 samples")):
        cookie = struct.pack(">IIBBBBBBHIII", samples, 0, 16, 40, 10, 14, 1, 255, 0, 0, 0, 16_000)[:24]
        file = matroska_file(tracks=track(1, 2, b"A_ALAC", element("63A2", cookie)))
        assert refusal(file) == message


def test_a_live_stream_passes_however_many_blocks_its_cluster_has() -> None:
    block = small("A3", b"\x81\0\0\x80", bytes(20))
    live = matroska_file(blocks=block * 300_000).replace(b"\x1f\x43\xb6\x75\x01", b"\x1f\x43\xb6\x75\x02")
    start = live.index(b"\x1f\x43\xb6\x75\x02")
    endless = b"\x1f\x43\xb6\x75\x01" + b"\xff" * 7
    assert not refusal(live[:start] + endless + live[start + 12 :])
