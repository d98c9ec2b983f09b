"""A minimal media worker: sends a WAV in fragments of 6 s, writes what comes back to ``dubbed.wav``.

Needs a running server: ``antiphon serve``. Usage: ``python dub_worker.py [speech.wav [LANGUAGE]]``
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
from uuid import uuid4

import socketio

URL = os.environ.get("ANTIPHON_URL", "http://127.0.0.1:8000")
KEY = os.environ.get("ANTIPHON_API_KEY", "none")
SPEECH = Path(__file__).resolve().parent.parent / "tests" / "audio" / "jfk.wav"
CHUNK_S = 6
STREAM = f"example-{uuid4().hex[:8]}"


def fragments(speech: wave.Wave_read, sound: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the speech piece by piece, numbered from 0."""
    rate_hz, number = speech.getframerate(), 0
    while data := speech.readframes(CHUNK_S * rate_hz):
        duration_ms = len(data) * 1000 // (2 * speech.getnchannels() * rate_hz)
        audio = {**sound, "duration_ms": duration_ms, "data_base64": base64.b64encode(data).decode()}
        place = {"sequence_number": number, "timestamp": number * CHUNK_S * 1000}
        yield {"fragment_id": f"{STREAM}-{number}", "stream_id": STREAM, **place, "audio": audio}
        number += 1


async def main() -> None:
    """Send one fragment after the other, print and keep what comes back."""
    path = sys.argv[1] if len(sys.argv) > 1 else str(SPEECH)
    language = sys.argv[2] if len(sys.argv) > 2 else "pt"
    events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

    def take(name: str, payload: Any) -> None:
        events.put_nowait((name, payload))

    worker: Any = socketio.AsyncClient()
    worker.on("*", take)
    await worker.connect(URL, transports=["websocket"], auth={"token": KEY}, wait_timeout=10)
    with wave.open(path) as speech, wave.open("dubbed.wav", "wb") as dubbed:
        dubbed.setparams((speech.getnchannels(), 2, speech.getframerate(), 0, "NONE", ""))
        sound = {"format": "pcm_s16le", "sample_rate_hz": speech.getframerate(), "channels": speech.getnchannels()}
        languages = {"source_language": "en", "target_language": language, "voice_profile": "default"}
        config = {**sound, **languages, "chunk_duration_ms": CHUNK_S * 1000}
        await worker.emit("stream:init", {"stream_id": STREAM, "worker_id": "example", "config": config})
        waiting = fragments(speech, sound)
        while (event := await events.get())[0] != "stream:complete":
            name, payload = event
            if name == "error":
                raise SystemExit(payload["message"])
            if name == "fragment:processed":
                print(f"{payload['status']}: {payload.get('transcript')} -> {payload.get('translated_text')}")
                if "dubbed_audio" in payload:  # not where it failed
                    dubbed.writeframes(base64.b64decode(payload["dubbed_audio"]["data_base64"]))
            if name in ("stream:ready", "fragment:processed"):
                following = next(waiting, None)
                await worker.emit("fragment:data" if following else "stream:end", following or {"stream_id": STREAM})
    await worker.disconnect()


if __name__ == "__main__":
    asyncio.run(main())
