"""Work that an event of a client asks for: bounded, and over when nobody reads what comes of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import websockets

from tests.abuse.measuring import MIB, Victim

MANY = 100_000


def asking_for(schema: dict[str, Any]) -> str:
    """An event that has a tool called whose arguments satisfy a schema."""
    parameters = {"type": "object", "properties": {"x": schema}, "required": ["x"]}
    tool = {"type": "function", "name": "f", "parameters": parameters}
    choice = {"type": "function", "name": "f"}
    return json.dumps({"type": "response.create", "response": {"tools": [tool], "tool_choice": choice}})


def nested(depth: int, schema: dict[str, Any]) -> dict[str, Any]:
    for _ in range(depth):
        schema = {"type": "array", "minItems": 1_000, "items": schema}
    return schema


SCHEMAS: dict[str, dict[str, Any]] = {
    "minLength": {"type": "string", "minLength": 10**8},
    "minItems": {"type": "array", "minItems": 10**8, "items": {"type": "null"}},
    "minProperties": {"type": "object", "minProperties": 10**8},
    "arrays of arrays": nested(4, {"type": "string"}),
    "huge numbers": {"type": "number", "minimum": 10**300, "multipleOf": 1e-300},
    "numbers beyond floats": {"type": "integer", "minimum": 10**400},
    "many names": {"type": "object", "required": [f"n{number}" for number in range(20_000)]},
    "a ladder of references": {"allOf": [{"$ref": "#"}] * 200},
}


@pytest.mark.parametrize("name", SCHEMAS)
async def test_a_schema_that_asks_for_much_costs_its_answer_alone(attacked: Victim, name: str) -> None:
    async def attack() -> None:
        async with websockets.connect(f"ws://127.0.0.1:{attacked.port}/v1/realtime?model=m", max_size=None) as socket:
            await socket.send(asking_for(SCHEMAS[name]))
            async with asyncio.timeout(20):
                while True:
                    event = json.loads(await socket.recv())
                    if event["type"] in {"error", "response.done"}:
                        break

    harm = await attacked.suffer(attack)
    assert harm.is_calm()
    assert harm.memory_bytes <= 64 * MIB
    assert harm.cpu_s <= 1.0


async def test_a_client_that_leaves_in_the_middle_of_a_long_call_stops_it(attacked: Victim) -> None:
    async def attack() -> None:
        async with websockets.connect(f"ws://127.0.0.1:{attacked.port}/v1/realtime?model=m") as socket:
            await socket.send(asking_for({"type": "string", "minLength": 60_000}))
            await socket.recv()
        await asyncio.sleep(0.5)

    harm = await attacked.suffer(attack)
    assert harm.is_calm()
    assert harm.cpu_s <= 1.0


def frame(first: int, payload: bytes = b"") -> bytes:
    """A masked frame of at most 125 bytes."""
    return bytes((first, 0x80 | len(payload), 0, 0, 0, 0)) + payload


FLOODS = {
    "pings": frame(0x89) * MANY,
    "pongs": frame(0x8A, b"x") * MANY,
    "fragments": frame(0x01, b"{") + frame(0x00, b" ") * MANY + frame(0x80, b"}"),
    "empty messages": frame(0x81) * MANY,
    "small events": frame(0x81, b"{}") * MANY,
}


REALTIME, TRANSLATION, DUBBING = (
    "/v1/realtime?model=m",
    "/v1/realtime/translations",
    "/socket.io/?EIO=4&transport=websocket",
)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        *((REALTIME, name) for name in FLOODS),
        *((path, name) for path in (TRANSLATION, DUBBING) for name in ("pings", "small events")),
    ],
)
async def test_a_flood_of_frames_keeps_no_neighbour_waiting(attacked: Victim, path: str, name: str) -> None:
    async def attack() -> None:
        async with opened(attacked.port, path) as (reader, writer):
            reading = asyncio.create_task(drain(reader))
            writer.write(FLOODS[name])
            await asyncio.sleep(1.0)
            reading.cancel()

    harm = await attacked.suffer(attack)
    assert harm.is_calm()
    assert harm.memory_bytes <= 64 * MIB


@asynccontextmanager
async def opened(port: int, path: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        head = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        writer.write(f"{head}sec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n\r\n".encode())
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        yield reader, writer
    finally:
        writer.transport.abort()


async def drain(reader: asyncio.StreamReader) -> None:
    while await reader.read(65_536):
        pass
