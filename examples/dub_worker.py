"""A media worker: a WAV in fragments of 6 s through the dubbing door, and what comes back to ``dubbed.wav``.

Needs a running server: ``antiphon serve``. Usage: ``python dub_worker.py [speech.wav [LANGUAGE]]``
"""

from __future__ import annotations

import asyncio
import base64
import os
import sys
import time
import wave
from pathlib import Path
from typing import Any
from uuid import uuid4

import socketio

URL = os.environ.get("ANTIPHON_URL", "http://127.0.0.1:8000")
KEY = os.environ.get("ANTIPHON_API_KEY", "none")
SPEECH = Path(__file__).resolve().parent.parent / "tests" / "audio" / "jfk.wav"
FRAGMENT_MS = 6_000
IN_FLIGHT = 3


class Brakes:
    """How quickly fragments may be sent: our own window, and what the server asks for."""

    def __init__(self) -> None:
        self.window = asyncio.Semaphore(IN_FLIGHT)
        self.free = asyncio.Event()
        self.free.set()
        self.spacing_s = 0.0

    def press(self, pressure: dict[str, Any]) -> None:
        """Slow down, pause, or go on; only ``none`` lifts a pause."""
        if pressure["action"] == "pause":
            self.free.clear()
        elif pressure["action"] == "none":
            self.free.set()
        self.spacing_s = pressure.get("recommended_delay_ms", 0) / 1000


async def send(worker: socketio.AsyncClient, stream_id: str, fragments: list[dict[str, Any]], brakes: Brakes) -> None:
    """Send fragment after fragment, then say that this was all."""
    for number, audio in enumerate(fragments):
        await brakes.window.acquire()
        await brakes.free.wait()
        its = {"fragment_id": str(uuid4()), "stream_id": stream_id, "sequence_number": number}
        await worker.emit("fragment:data", {**its, "timestamp": int(time.time() * 1000), "audio": audio})
        await asyncio.sleep(brakes.spacing_s)
    await worker.emit("stream:end", {"stream_id": stream_id})


def cut(sound: wave.Wave_read) -> list[dict[str, Any]]:
    """Cut a recording into the audio of fragments."""
    rate_hz, form = sound.getframerate(), {"format": "pcm_s16le", "channels": sound.getnchannels()}
    size = rate_hz * FRAGMENT_MS // 1000
    return [
        {
            **form,
            "sample_rate_hz": rate_hz,
            "duration_ms": min(size, sound.getnframes() - start) * 1000 // rate_hz,
            "data_base64": base64.b64encode(sound.readframes(size)).decode(),
        }
        for start in range(0, sound.getnframes(), size)
    ]


async def main() -> None:
    """Dub, print what comes back, keep the speech; where a fragment failed the original stays."""
    with wave.open(str(sys.argv[1] if len(sys.argv) > 1 else SPEECH)) as sound:
        params, fragments = sound.getparams(), cut(sound)
    if params.sampwidth != 2 or not fragments:
        raise SystemExit("the recording must be a WAV of 16 bits")
    config = {
        "source_language": "en",
        "target_language": sys.argv[2] if len(sys.argv) > 2 else "pt",
        "voice_profile": "default",
        "chunk_duration_ms": FRAGMENT_MS,
        "sample_rate_hz": params.framerate,
        "channels": params.nchannels,
        "format": "pcm_s16le",
    }
    stream_id, brakes, dubbed = f"example-{uuid4().hex[:8]}", Brakes(), bytearray()
    events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    worker = socketio.AsyncClient(reconnection=False)
    worker.on("*", lambda name, payload: events.put_nowait((name, payload)))
    worker.on("disconnect", lambda reason: events.put_nowait(("error", {"code": "DISCONNECTED", "message": reason})))
    await worker.connect(URL, auth={"token": KEY}, transports=["websocket"])
    try:
        init = {"stream_id": stream_id, "worker_id": "example", "config": config, "max_inflight": IN_FLIGHT}
        await worker.emit("stream:init", init)
        sending: asyncio.Task[None] | None = None
        while (event := await events.get())[0] != "stream:complete":
            name, payload = event
            if name == "stream:ready":
                sending = asyncio.create_task(send(worker, stream_id, fragments, brakes))
            elif name == "backpressure":
                print(f"backpressure: {payload['action']}")
                brakes.press(payload)
            elif name == "fragment:processed":
                brakes.window.release()
                number, error = payload["sequence_number"], payload.get("error", {}).get("message", "")
                print(f"{number} {payload['status']}: {payload.get('translated_text', '')} {error}".rstrip())
                audio = payload.get("dubbed_audio", fragments[number])
                dubbed += base64.b64decode(audio["data_base64"])
            elif name == "error":
                raise SystemExit(f"{payload['code']}: {payload['message']}")
        if sending is not None:
            await sending
    finally:
        await worker.disconnect()
    with wave.open("dubbed.wav", "wb") as file:
        file.setparams(params)
        file.writeframes(dubbed)
    print(f"dubbed.wav: {len(dubbed) / 2 / params.nchannels / params.framerate:.1f} s")


if __name__ == "__main__":
    asyncio.run(main())
