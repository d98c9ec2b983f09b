"""Events of megabytes are opened and their audio decoded in slices, with the same result as in one piece."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest

from antiphon.doors.server.frames import LongText
from antiphon.doors.websocket.large_events import decoded, is_large, opened, size_bytes
from antiphon.wire.event_decoder import BadEvent

PCM = bytes(range(256)) * 4000


ESCAPES = {
    "none": lambda text: text,
    "slashes": lambda text: text.replace("/", "\\/"),
    "signs": lambda text: text.replace("+", "\\u002B"),
    "all": lambda text: "".join(f"\\u{ord(sign):04x}" for sign in text),
}


async def decode(text: str, most: int = 2 * len(PCM)) -> bytes:
    return b"".join(await decoded(memoryview(text.encode()), param="audio", event_id="e1", most=most))


@pytest.mark.parametrize("size", [0, 1, 2, 3, 64 * 2**10 // 3 * 3, 64 * 2**10 // 3 * 3 + 1, len(PCM)])
@pytest.mark.parametrize("escapes", ESCAPES)
async def test_slices_make_the_whole(size: int, escapes: str) -> None:
    assert await decode(ESCAPES[escapes](base64.b64encode(PCM[:size]).decode())) == PCM[:size]


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(PCM[:-2]).decode() + base64.b64encode(PCM).decode(),
        "A" * (64 * 2**10 // 3 * 4 - 1) + "=" + "AAAA",
        base64.b64encode(PCM).decode() + "!",
        base64.b64encode(PCM).decode() + "A",
        "é" * 100_000,
        "\\/" * 100_000 + "\\q//",
        "/" * (64 * 2**10 // 3 * 4 - 1) + "\\" * 100_000,
        "\\ud83d\\ude00" * 100_000,
    ],
    ids=["an end", "an end of a slice", "a sign", "a rest", "no letters", "no escape", "backslashes", "no ASCII"],
)
async def test_what_is_no_base64_is_refused_wherever_it_lies(text: str) -> None:
    with pytest.raises(BadEvent) as refused:
        await decode(text)
    assert (refused.value.code, refused.value.param, refused.value.event_id) == ("invalid_value", "audio", "e1")


async def test_too_much_audio_is_refused() -> None:
    with pytest.raises(BadEvent) as refused:
        await decode(base64.b64encode(PCM).decode(), most=len(PCM) - 1)
    assert (refused.value.code, refused.value.param) == ("audio_too_large", "audio")


async def test_others_have_their_turn_while_an_event_is_opened() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(others())
    event = json.dumps({"a": ["x, y"] * 5000, "audio": base64.b64encode(PCM).decode()})
    text, taken = await opened(event)
    (place,) = taken.values()
    await decode(bytes(place).decode())
    counting.cancel()
    assert json.loads(text)["audio"] in taken
    assert turns > 20


def test_only_long_events_and_those_of_many_values_are_large() -> None:
    assert not is_large(json.dumps({"audio": base64.b64encode(PCM[:100_000]).decode()}))
    assert is_large(json.dumps({"audio": base64.b64encode(PCM).decode()}))
    assert is_large(json.dumps({"enum": list(range(10_001))}))
    assert is_large(LongText(bytearray(b"{}")))


def test_the_size_of_an_event_is_that_of_its_bytes() -> None:
    assert [size_bytes("abc"), size_bytes("a\u20ac\U0001f600"), size_bytes(LongText(bytearray(7)))] == [3, 8, 7]
