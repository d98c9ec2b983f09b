"""An application asks for an answer without a user's turn: a greeting, a nudge, a restored conversation."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import anthropic_server, openai_server
from tests.fakes.anthropic_server import AnthropicServer
from tests.fakes.openai_server import OpenAiServer
from tests.serving import Client, Served, serving

Item = dict[str, Any]


def said(role: str, text: str) -> Item:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


HELLO, HELP = said("assistant", "Hello, this is the bakery."), said("assistant", "How may I help you?")
ASKS, NUDGE = said("user", "What do you sell?"), said("system", "Ask whether they are still there.")
CALL: Item = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"}
OUTPUT: Item = {"type": "function_call_output", "call_id": "c1", "output": "bread"}
FORMS: dict[str, list[Item]] = {
    "nothing": [],
    "assistant twice": [HELLO, HELP],
    "assistant last": [ASKS, HELLO],
    "instructions last": [ASKS, HELLO, NUDGE],
    "instructions between": [NUDGE, HELLO, NUDGE, HELP],
    "user twice": [said("user", "Hello."), ASKS],
    "user blank": [said("user", " ")],
    "output last": [ASKS, CALL, OUTPUT],
    "call without output": [CALL],
}


@contextlib.asynccontextmanager
async def speaking(tmp_path: Path, llm: str) -> AsyncIterator[tuple[Served, OpenAiServer, AnthropicServer]]:
    """A server whose services are as strict as the strictest."""
    async with OpenAiServer() as openai, AnthropicServer() as anthropic:
        settings = {"openai_base_url": openai.base_url, "anthropic_base_url": anthropic.base_url}
        async with serving(tmp_path, llm=llm, openai_api_key="sk-any", **settings) as served:
            yield served, openai, anthropic


async def answer(client: Client, **response: Any) -> str:
    """Ask for an answer and return its words."""
    begin = len(client.events)
    await client.send("response.create", response=response)
    done = (await client.until("response.done"))["response"]
    assert "error" not in [event["type"] for event in client.events[begin:]]
    assert done["status"] == "completed", done
    return " ".join(part["text"] for item in done["output"] for part in item["content"])


@contextlib.asynccontextmanager
async def writing(served: Served, items: list[Item]) -> AsyncIterator[Client]:
    """A session of text that begins with these items."""
    async with served.connect() as client:
        await client.configure(output_modalities=["text"])
        for item in items:
            await client.send("conversation.item.create", item=item)
            await client.until("conversation.item.done")
        yield client


@pytest.mark.parametrize("llm", ["rules", "openai"])
async def test_every_order_of_items_is_answered_with_words(tmp_path: Path, llm: str) -> None:
    async with speaking(tmp_path, llm) as (served, _, _):
        for name, items in FORMS.items():
            async with writing(served, items) as client:
                assert await answer(client), name
                assert await answer(client, instructions="Greet the caller."), name


async def test_an_engine_that_answers_nothing_is_followed_by_the_next(tmp_path: Path) -> None:
    async with speaking(tmp_path, "openai,anthropic,rules") as (served, openai, anthropic):
        openai.script(openai_server.say(""))
        anthropic.script(anthropic_server.say(" "))
        async with writing(served, []) as client:
            assert await answer(client) == "Hello! How can I help you?"
            deltas = [event["delta"] for event in client.events if event["type"] == "response.output_text.delta"]
    assert "".join(deltas) == "Hello! How can I help you?"
    assert len(openai.requests) == len(anthropic.requests) == 1
