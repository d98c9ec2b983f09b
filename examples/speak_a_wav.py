"""A spoken question and a spoken answer: streams a WAV at real pace, writes what is answered to ``answer.wav``.

Needs a running server: ``antiphon serve``. Usage: ``python speak_a_wav.py [question.wav]``
"""

from __future__ import annotations

import asyncio
import base64
import os
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from openai import AsyncOpenAI

URL = os.environ.get("ANTIPHON_URL", "http://127.0.0.1:8000")
QUESTION = Path(__file__).resolve().parent.parent / "tests" / "audio" / "spk2_snt2.wav"
RATE_HZ = 24_000
FRAME_S = 0.02
TRAILING_SILENCE_S = 2.0
"""Silence after the question, as a microphone sends it: it tells the server that the turn is over."""


def frames(path: Path) -> Iterator[bytes]:
    """Yield a mono 16-bit WAV, and silence, in frames of 20 ms at 24 kHz."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        pcm = soxr.resample(samples, file.getframerate(), RATE_HZ).astype("<i2").tobytes()
    pcm += bytes(int(TRAILING_SILENCE_S * RATE_HZ) * 2)
    size = int(FRAME_S * RATE_HZ) * 2
    yield from (pcm[at : at + size] for at in range(0, len(pcm), size))


async def speak(connection: Any, path: Path) -> None:
    """Send the question at the pace at which it would be spoken."""
    for frame in frames(path):
        await connection.input_audio_buffer.append(audio=base64.b64encode(frame).decode())
        await asyncio.sleep(FRAME_S)


async def main() -> None:
    """Ask, print both sides, keep the answer."""
    question = Path(sys.argv[1]) if len(sys.argv) > 1 else QUESTION
    client = AsyncOpenAI(base_url=f"{URL}/v1", api_key=os.environ.get("ANTIPHON_API_KEY", "none"))
    answer = bytearray()
    async with client.realtime.connect(model="gpt-realtime") as connection:
        await connection.session.update(
            session={
                "type": "realtime",
                "audio": {
                    "input": {"transcription": {"model": "whisper-1"}, "turn_detection": {"type": "server_vad"}},
                    "output": {"voice": "alloy"},
                },
            }
        )
        microphone = asyncio.create_task(speak(connection, question))
        async for event in connection:
            if event.type == "conversation.item.input_audio_transcription.completed":
                print(f"you: {event.transcript.strip()}")
            elif event.type == "response.output_audio.delta":
                answer += base64.b64decode(event.delta)
            elif event.type == "response.output_audio_transcript.done":
                print(f"answer: {event.transcript.strip()}")
            elif event.type == "error":
                raise SystemExit(event.error.message)
            elif event.type == "response.done":
                break
        microphone.cancel()
    with wave.open("answer.wav", "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes(answer)
    print(f"answer.wav: {len(answer) / 2 / RATE_HZ:.1f} s")
    if not answer:
        raise SystemExit("no spoken answer came")


if __name__ == "__main__":
    asyncio.run(main())
