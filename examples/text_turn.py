"""A typed question and a streamed answer over the Realtime protocol, with the official client.

Needs a running server: ``antiphon serve``.
"""

from __future__ import annotations

import asyncio
import os

from openai import AsyncOpenAI

URL = os.environ.get("ANTIPHON_URL", "http://127.0.0.1:8000")


async def main() -> None:
    """Ask, and print the answer as it comes."""
    client = AsyncOpenAI(base_url=f"{URL}/v1", api_key=os.environ.get("ANTIPHON_API_KEY", "none"))
    async with client.realtime.connect(model="gpt-realtime") as connection:
        await connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        await connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "How are you?"}]}
        )
        await connection.response.create()
        async for event in connection:
            if event.type == "response.output_text.delta":
                print(event.delta, end="", flush=True)
            elif event.type == "error":
                raise SystemExit(event.error.message)
            elif event.type == "response.done":
                print(f"\n{event.response.status}")
                break


if __name__ == "__main__":
    asyncio.run(main())
