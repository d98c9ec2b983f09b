from __future__ import annotations

import io
from typing import Any

import av

from antiphon.audio.opening import open_options
from antiphon.audio.sniff import container_of
from tests.abuse.honest_files import honest_files


def sound_of(data: bytes, **options: Any) -> tuple[int, int, int | None]:
    with av.open(io.BytesIO(data), "r", format=container_of(data), **options) as source:
        stream = source.streams.audio[0]
        return sum(frame.samples for frame in source.decode(stream)), stream.rate, source.duration


def test_honest_files_are_the_same_when_less_is_read_ahead() -> None:
    for name, data in honest_files().items():
        if name != "adts-aac-apetag":  # known as MP3 by its tag, which it is not
            options = open_options(container_of(data) or "")
            assert sound_of(data, container_options=options) == sound_of(data), name


def test_containers_whose_tracks_are_found_among_the_packets_are_read_as_far_as_usual() -> None:
    assert open_options("mpegts") == open_options("mpeg") == {}
    assert int(open_options("matroska")["probesize"]) < 1_000_000
