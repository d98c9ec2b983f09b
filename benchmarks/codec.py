"""A15: one audio frame in and one out, beside the same work with the standard library's json and base64."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable

from antiphon.wire import realtime_codec
from antiphon.wire.realtime_client import InputAudioBufferAppend
from antiphon.wire.realtime_server import ResponseOutputAudioDelta
from benchmarks import sound
from benchmarks.figures import ROUNDS, Figure

_DELTA = ResponseOutputAudioDelta(
    event_id="event_0123456789ab0000042",
    response_id="resp_0123456789ab0000007",
    item_id="item_0123456789ab0000009",
    output_index=0,
    content_index=0,
    delta="",
)


def run(short: bool) -> list[Figure]:
    """Measure 20 ms frames of 24 kHz PCM."""
    times = 5_000 if short else 50_000
    pcm = sound.tone()
    frame = json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm).decode()})
    plain = json.loads(realtime_codec.encode(_DELTA))

    def decode() -> None:
        message = realtime_codec.decode(frame)
        assert isinstance(message, InputAudioBufferAppend)
        realtime_codec.decode_audio(message.audio, param="audio", event_id=None)

    def decode_plainly() -> None:
        base64.b64decode(json.loads(frame)["audio"], validate=True)

    def encode() -> None:
        realtime_codec.encode_audio_delta(_DELTA, pcm)

    def encode_plainly() -> None:
        json.dumps({**plain, "delta": base64.b64encode(pcm).decode()}).encode()

    floor = "json and base64 of the standard library"
    return [
        Figure("A15", "codec, one frame in", _each_us(decode, times), "us", 8, _each_us(decode_plainly, times), floor),
        Figure("A15", "codec, one frame out", _each_us(encode, times), "us", 4, _each_us(encode_plainly, times), floor),
    ]


def _each_us(work: Callable[[], None], times: int) -> float:
    """Return the best round's microseconds of one call."""
    rounds: list[float] = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        for _ in range(times):
            work()
        rounds.append((time.perf_counter() - begin) / times * 1e6)
    return min(rounds)
