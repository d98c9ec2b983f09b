"""A conversation that continues after its connection was lost in mid-answer.

Needs a running server (``antiphon serve``) and this package; set ANTIPHON_URL where the server is elsewhere.
"""

from __future__ import annotations

import asyncio
import os
import sys

from antiphon.client import connect
from antiphon.wire.realtime_server import ResponseDone, ResponseOutputAudioTranscriptDelta

URL = os.environ.get("ANTIPHON_URL", "http://127.0.0.1:8000")


async def main() -> int:
    words = 0
    async with connect(URL, api_key=os.environ.get("ANTIPHON_API_KEY", "")) as session:
        await session.say("Tell me about antiphons.")
        await session.respond()
        async for event in session:
            if isinstance(event, ResponseOutputAudioTranscriptDelta):
                print(event.delta, end="", flush=True)
                words += 1
                if words == 3:
                    await session.lose()  # as a network does
            elif isinstance(event, ResponseDone):
                print(f"\nanswer {event.response.status}, session resumed {session.resumptions} time(s)")
                return 0 if event.response.status == "completed" and session.resumptions == 1 else 1
    return 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
