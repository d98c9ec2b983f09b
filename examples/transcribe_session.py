"""A session that only listens: what is said in a WAV comes back as text, turn by turn.

Needs a running server: ``antiphon serve``. Usage: ``python transcribe_session.py [speech.wav]``
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from openai import AsyncOpenAI
from speak_a_wav import QUESTION, speak

URL = os.environ.get("ANTIPHON_URL", "http://127.0.0.1:8000")


async def main() -> None:
    """Print the first turn as it is understood."""
    speech = Path(sys.argv[1]) if len(sys.argv) > 1 else QUESTION
    client = AsyncOpenAI(base_url=f"{URL}/v1", api_key=os.environ.get("ANTIPHON_API_KEY", "none"))
    # no model in the address: with one it would be a conversation
    async with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        await connection.session.update(
            session={
                "type": "transcription",
                "audio": {
                    "input": {
                        "transcription": {"model": "whisper-1", "language": "en"},
                        "turn_detection": {"type": "server_vad", "silence_duration_ms": 400},
                    }
                },
            }
        )
        microphone = asyncio.create_task(speak(connection, speech))
        async for event in connection:
            if event.type == "input_audio_buffer.speech_started":
                print(f"speech from {event.audio_start_ms} ms")
            elif event.type == "input_audio_buffer.speech_stopped":
                print(f"speech until {event.audio_end_ms} ms")
            elif event.type == "error":
                raise SystemExit(event.error.message)
            elif event.type == "conversation.item.input_audio_transcription.completed":
                print(f"heard: {event.transcript.strip()}")
                break
        microphone.cancel()


if __name__ == "__main__":
    asyncio.run(main())
