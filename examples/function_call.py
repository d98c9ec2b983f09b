"""The model calls a function of yours, and answers with what it returned.

Needs a running server: ``antiphon serve``.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

from openai import AsyncOpenAI

URL = os.environ.get("ANTIPHON_URL", "http://127.0.0.1:8000")
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "Tell the weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def get_weather(city: str) -> dict[str, Any]:
    """Stand in for a real weather service."""
    return {"city": city, "sky": "clear", "celsius": 21}


async def respond(connection: Any, **overrides: Any) -> Any:
    """Have the model answer; return the finished response."""
    await connection.response.create(response=overrides)
    async for event in connection:
        if event.type == "error":
            raise SystemExit(event.error.message)
        if event.type == "response.done":
            return event.response
    raise SystemExit("the connection ended before the answer")


async def main() -> None:
    """Ask, run what is called, let the model continue."""
    client = AsyncOpenAI(base_url=f"{URL}/v1", api_key=os.environ.get("ANTIPHON_API_KEY", "none"))
    async with client.realtime.connect(model="gpt-realtime") as connection:
        await connection.session.update(
            session={"type": "realtime", "output_modalities": ["text"], "tools": [WEATHER], "tool_choice": "auto"}
        )
        question: Any = {"type": "input_text", "text": "How is the weather in Porto?"}
        await connection.conversation.item.create(item={"type": "message", "role": "user", "content": [question]})

        # small models seldom call by themselves: here the call is required, with a large one "auto" does
        response = await respond(connection, tool_choice="required")
        call = response.output[0]
        print(f"called: {call.name}({call.arguments})")
        result = get_weather(**json.loads(call.arguments))

        await connection.conversation.item.create(
            item={"type": "function_call_output", "call_id": call.call_id, "output": json.dumps(result)}
        )
        response = await respond(connection, tool_choice="none")
        print(f"answer: {response.output[0].content[0].text}")


if __name__ == "__main__":
    asyncio.run(main())
