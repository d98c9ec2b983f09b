"""Short films made from recordings: colour bars that move, and sound."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from antiphon.audio.media import open_recording

FRAMES_PER_S = 25
RATE_HZ = 16_000
_COLOURS = np.array([(255, 255, 255), (255, 255, 0), (0, 255, 255), (0, 255, 0), (255, 0, 0), (0, 0, 255)], np.uint8)


def make_film(
    path: Path,
    recording: Path | None,
    *,
    seconds: float,
    more_picture_s: float = 0.0,
    delay_s: float = 0.0,
    hole_s: tuple[float, float] | None = None,
    begins_s: float = 0.0,
    codec: str = "mpeg4",
) -> Path:
    """Make a film of the first ``seconds`` of a mono recording at 16 kHz, or without sound; return its path.

    The sound begins ``delay_s`` after the picture; ``hole_s`` is a place in it and how long nothing comes there;
    ``begins_s`` is the first time stamp.
    """
    with av.open(path, "w", options={"output_ts_offset": str(begins_s)}) as film:
        picture: Any = film.add_stream(codec, rate=FRAMES_PER_S)
        picture.width, picture.height, picture.pix_fmt = 96, 64, "yuv420p"
        sound: Any = None if recording is None else film.add_stream("aac", rate=RATE_HZ, layout="mono")
        for number in range(round((seconds + more_picture_s) * FRAMES_PER_S)):
            film.mux(picture.encode(_bars(number)))
        film.mux(picture.encode(None))
        if recording is not None:
            for frame in _frames(recording, seconds, delay_s, hole_s):
                film.mux(sound.encode(frame))
            film.mux(sound.encode(None))
    return path


def _bars(number: int) -> av.VideoFrame:
    image = np.roll(np.repeat(_COLOURS, 16, axis=0), 3 * number, axis=0)
    frame = av.VideoFrame.from_ndarray(np.broadcast_to(image, (64, 96, 3)).copy(), "rgb24")
    frame.pts, frame.time_base = number, Fraction(1, FRAMES_PER_S)
    return frame


def _frames(recording: Path, seconds: float, delay_s: float, hole_s: tuple[float, float] | None) -> list[av.AudioFrame]:
    with open_recording(recording) as opened:
        samples = np.concatenate(list(opened.blocks()))[: round(seconds * RATE_HZ)]
    frames: list[av.AudioFrame] = []
    for start in range(0, len(samples), 1_024):
        frame = av.AudioFrame.from_ndarray(samples[start : start + 1_024].reshape(1, -1), "s16", "mono")
        late_s = delay_s + (hole_s[1] if hole_s and start >= hole_s[0] * RATE_HZ else 0.0)
        frame.sample_rate, frame.time_base = RATE_HZ, Fraction(1, RATE_HZ)
        frame.pts = start + round(late_s * RATE_HZ)
        frames.append(frame)
    return frames
