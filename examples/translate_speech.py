"""Speech in one language in, the same in another out: text as it is known, speech to ``translated.wav``.

Needs a running server: ``antiphon serve``. Usage: ``python translate_speech.py [speech.wav [LANGUAGE]]``
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import wave
from pathlib import Path
from typing import Any

import websockets
from speak_a_wav import FRAME_S, QUESTION, RATE_HZ, frames

URL = os.environ.get("ANTIPHON_URL", "http://127.0.0.1:8000").replace("http", "ws", 1)
KEY = os.environ.get("ANTIPHON_API_KEY", "none")


async def speak(socket: Any, path: Path) -> None:
    """Send the speech at the pace of speaking, then say that this was all."""
    for frame in frames(path):
        audio = base64.b64encode(frame).decode()
        await socket.send(json.dumps({"type": "session.input_audio_buffer.append", "audio": audio}))
        await asyncio.sleep(FRAME_S)
    await socket.send(json.dumps({"type": "session.close"}))


async def main() -> None:
    """Translate, print both languages, keep the speech."""
    speech = Path(sys.argv[1]) if len(sys.argv) > 1 else QUESTION
    language = sys.argv[2] if len(sys.argv) > 2 else "fr"
    translated = bytearray()
    headers = {"Authorization": f"Bearer {KEY}"}
    async with websockets.connect(f"{URL}/v1/realtime/translations", additional_headers=headers) as socket:
        audio = {"input": {"transcription": {"model": "whisper-1"}}, "output": {"language": language}}
        await socket.send(json.dumps({"type": "session.update", "session": {"audio": audio}}))
        microphone = asyncio.create_task(speak(socket, speech))
        async for message in socket:
            event = json.loads(message)
            if event["type"].endswith("transcript.delta"):
                print(f"{event['type'].split('.')[1].removesuffix('_transcript')}: {event['delta'].strip()}")
            elif event["type"] == "session.output_audio.delta":
                translated += base64.b64decode(event["delta"])
            elif event["type"] == "error":
                raise SystemExit(event["error"]["message"])
            elif event["type"] == "session.closed":
                break
        await microphone
    with wave.open("translated.wav", "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes(translated)
    print(f"translated.wav: {len(translated) / 2 / RATE_HZ:.1f} s")
    if not translated:
        raise SystemExit("nothing was translated")


if __name__ == "__main__":
    asyncio.run(main())
