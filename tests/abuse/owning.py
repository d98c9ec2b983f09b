"""Two keys, what they may ask of one server, and how it answers: for tests of who owns what."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import websockets

from tests.serving import Client, Served

ANNA, BELA = "sk-of-anna-0123456789", "sk-of-bela-0123456789"
TRANSLATION = {"session": {"model": "gpt-realtime-translate", "audio": {"output": {"language": "es"}}}}


async def get(served: Served, path: str, key: str) -> str:
    """Return what a path shows to a key."""
    request = urllib.request.Request(f"{served.url}{path}", headers={"authorization": f"Bearer {key}"})

    def send() -> str:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read().decode()

    return await asyncio.to_thread(send)


async def post(served: Served, path: str, key: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Return status and body of the answer."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = urllib.request.Request(f"{served.url}{path}", json.dumps(body).encode(), headers, method="POST")

    def send() -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    status, content = await asyncio.to_thread(send)
    return status, json.loads(content) if content.startswith(b"{") else {}


async def ask_secret(served: Served, key: str, kind: str = "realtime", **antiphon: Any) -> tuple[int, dict[str, Any]]:
    """Ask for a client secret of a kind; ``antiphon`` are its own bounds."""
    bounds = {"antiphon": antiphon} if antiphon else {}
    if kind == "translation":
        return await post(served, "/v1/realtime/translations/client_secrets", key, TRANSLATION | bounds)
    session = {"type": kind, "instructions": f"secret of {key}"} if kind == "realtime" else {"type": kind}
    return await post(served, "/v1/realtime/client_secrets", key, {"session": session, **bounds})


async def secret(served: Served, key: str, kind: str = "realtime", **antiphon: Any) -> str:
    """Return a client secret."""
    status, answer = await ask_secret(served, key, kind, **antiphon)
    assert status == 200, answer
    return answer["value"]


@asynccontextmanager
async def session(served: Served, key: str, query: str = "model=m", **headers: str) -> AsyncIterator[Client]:
    """Open a realtime session and wait for its greeting."""
    sent = {"Authorization": f"Bearer {key}", **headers}
    async with served.connect(query, additional_headers=sent) as client:
        await client.until("session.created")
        yield client


async def refused(served: Served, key: str, query: str = "model=m", path: str = "", **headers: str) -> tuple[int, Any]:
    """Return status and error of a handshake, which must be refused."""
    url = f"{served.ws}/v1/realtime{path}?{query}"
    sent = {"Authorization": f"Bearer {key}", **headers}
    try:
        async with websockets.connect(url, additional_headers=sent):
            raise AssertionError("the handshake was accepted")
    except websockets.InvalidStatus as refusal:
        return refusal.response.status_code, json.loads(refusal.response.body)["error"]


def id_of(client: Client) -> str:
    """Return the session's id."""
    return client.events[0]["session"]["id"]


def token_of(client: Client) -> str:
    """Return the session's resume token."""
    return client.events[0]["antiphon"]["resume_token"]
