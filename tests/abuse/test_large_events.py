"""Events of megabytes that hold very many values: refused by their field before they cost anybody anything."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest
import websockets

from tests.abuse.measuring import MIB, Victim
from tests.dubbing import Worker, raw, sound

MANY = 250_000


def repeated(event: str, part: str) -> str:
    """An event with a list of very many parts."""
    return event.replace("[]", f"[{','.join([part] * MANY)}]")


TOOL = '{"type":"function","name":"f","parameters":{"enum":[]}}'
EVENTS: dict[str, str] = {
    "session.tools[0].parameters": repeated(
        f'{{"type":"session.update","session":{{"type":"realtime","tools":[{TOOL}]}}}}', "[]"
    ),
    "response.tools[0].parameters": repeated(f'{{"type":"response.create","response":{{"tools":[{TOOL}]}}}}', "1"),
    "response.input": repeated(
        '{"type":"response.create","response":{"input":[]}}', '{"type":"item_reference","id":"x"}'
    ),
    "item.content": repeated(
        '{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[]}}',
        '{"type":"input_text","text":""}',
    ),
    "item.content[0].text": (
        '{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_text",'
        f'"text":"{"x" * 10 * MIB}"}}]}}}}'
    ),
}


async def test_an_event_of_too_many_values_is_refused_by_its_field_and_stalls_nobody(attacked: Victim) -> None:
    found: list[str | None] = []

    async def attack() -> None:
        found.clear()
        async with websockets.connect(f"ws://127.0.0.1:{attacked.port}/v1/realtime?model=m", max_size=None) as socket:
            await socket.recv()
            for event in EVENTS.values():
                await socket.send(event)
                async with asyncio.timeout(20):
                    found.append(json.loads(await socket.recv())["error"]["param"])

    harm = await attacked.suffer(attack)
    assert found == list(EVENTS)
    assert harm.is_calm(stall_ms=20.0)
    assert harm.memory_bytes < 96 * MIB


SOUND = base64.b64encode(bytes(range(256)) * 45_000).decode()
"""11 MiB of audio."""


@pytest.mark.parametrize("audio", [SOUND.replace("/", "\\/"), "\\u0041" * MIB], ids=["some escapes", "escapes alone"])
async def test_audio_of_megabytes_stalls_nobody_however_it_is_written(attacked: Victim, audio: str) -> None:
    event = f'{{"type":"input_audio_buffer.append","event_id":"\U0001f600","audio":"{audio}"}}'

    async def attack() -> None:
        async with websockets.connect(f"ws://127.0.0.1:{attacked.port}/v1/realtime?model=m", max_size=None) as socket:
            await socket.send(event)
            await socket.send('{"type":"input_audio_buffer.clear"}')
            async with asyncio.timeout(20):
                while json.loads(await socket.recv())["type"] != "input_audio_buffer.cleared":
                    pass

    harm = await attacked.suffer(attack)
    assert harm.is_calm(stall_ms=20.0)
    assert harm.memory_bytes < 96 * MIB, "a rare character does not make four bytes of each"


async def test_a_fragment_of_megabytes_stalls_nobody(attacked: Victim) -> None:
    one = Worker()
    sent = "42" + json.dumps(["fragment:data", one.fragment(0, audio=sound(data_base64="@"))]).replace(
        "@", SOUND[: 13 * MIB]
    )

    async def attack() -> None:
        async with raw(attacked.url) as socket:
            await socket.emit("stream:init", one.init_payload())
            await socket.event()
            await socket.send(sent)
            await socket.event()

    harm = await attacked.suffer(attack)
    assert harm.is_calm(stall_ms=40.0)  # its text is copied in one piece: 13 MiB of new memory
    assert harm.memory_bytes < 96 * MIB
