"""Text to speech into a file, and the file back to text, with the official client.

Needs a running server: ``antiphon serve``.
"""

from __future__ import annotations

import os
from pathlib import Path

from openai import OpenAI

URL = os.environ.get("ANTIPHON_URL", "http://127.0.0.1:8000")


def main() -> None:
    """Write ``spoken.wav`` into the current folder and print what is heard in it."""
    client = OpenAI(base_url=f"{URL}/v1", api_key=os.environ.get("ANTIPHON_API_KEY", "none"))
    out = Path("spoken.wav")
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input="One voice answers another.", response_format="wav"
    ) as speech:
        speech.stream_to_file(out)
    print(f"{out}: {out.stat().st_size} bytes")
    with out.open("rb") as file:
        print(client.audio.transcriptions.create(model="whisper-1", file=file).text)


if __name__ == "__main__":
    main()
