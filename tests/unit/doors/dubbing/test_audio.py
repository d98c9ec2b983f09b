"""Long audio is taken out of packets and restored; short packets pass unchanged."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from antiphon.doors.dubbing.audio import Taken, lightened, with_audio
from antiphon.doors.dubbing.json import TOO_MUCH
from antiphon.doors.websocket.large_events import LARGE_BYTES
from antiphon.wire.dubbing_client import MAX_AUDIO_BASE64

AUDIO = base64.b64encode(bytes(range(256)) * 2_048).decode()


def packet(audio: str, **fields: Any) -> bytes:
    """A fragment whose audio stands in the packet just as given."""
    payload = {"fragment_id": "f", "audio": {"format": "m4a", "data_base64": "@"}, **fields}
    return b"42" + json.dumps(["fragment:data", payload]).replace("@", audio).encode()


async def restored(encoded: bytes) -> tuple[Any, Taken]:
    """Take the audio out of a packet, decode it, and restore the audio."""
    taken: Taken = {}
    light = bytes(await lightened(encoded, taken))
    assert len(light) < LARGE_BYTES
    _, payload = json.loads(light[2:])
    return await with_audio(payload, taken), taken


@pytest.mark.parametrize("encoded", [b"", b"2", b"bAAAA", packet("AAAA"), b"x" * LARGE_BYTES])
async def test_a_short_packet_passes_unchanged(encoded: bytes) -> None:
    taken: Taken = {}
    assert await lightened(encoded, taken) is encoded
    assert taken == {}


@pytest.mark.parametrize(
    "written", [AUDIO, AUDIO.replace("/", "\\/"), AUDIO.replace("+", "\\u002B")], ids=["plain", "slashes", "signs"]
)
async def test_audio_is_restored_however_it_was_written(written: str) -> None:
    payload, taken = await restored(packet(written, more=[1, 2]))
    assert payload == {"fragment_id": "f", "audio": {"format": "m4a", "data_base64": AUDIO}, "more": [1, 2]}
    assert taken == {}, "it is used once"


async def test_audio_above_the_limit_stays_above_it_without_being_restored_whole() -> None:
    payload, _ = await restored(packet("A" * (MAX_AUDIO_BASE64 + 2**20)))
    assert MAX_AUDIO_BASE64 < len(payload["audio"]["data_base64"]) <= MAX_AUDIO_BASE64 + 2**16


async def test_audio_with_invalid_escapes_becomes_invalid_base64() -> None:
    payload, _ = await restored(packet(AUDIO + "\\q"))
    assert payload["audio"]["data_base64"] == "\\"


async def test_a_long_binary_packet_is_replaced_by_a_short_one() -> None:
    light = await lightened(b"b" + b"A" * LARGE_BYTES, {})
    assert light.startswith(b"b")
    assert len(light) < 10


async def test_an_event_with_too_many_values_is_reduced_to_its_name() -> None:
    values = json.dumps([0] * 200_000)
    light = bytes(await lightened(f'42["stream:init",{values}]'.encode(), {}))
    assert json.loads(light[2:]) == ["stream:init", TOO_MUCH]


async def test_too_many_values_without_a_name_are_refused() -> None:
    with pytest.raises(ValueError, match="values"):
        await lightened(f"42{json.dumps([0] * 200_000)}".encode(), {})


@pytest.mark.parametrize(
    "payload", [None, "text", 5, [], {}, {"audio": None}, {"audio": {}}, {"audio": {"data_base64": 5}}]
)
async def test_a_payload_without_audio_is_left_alone(payload: Any) -> None:
    assert await with_audio(payload, {"5": memoryview(b"AAAA")}) is payload


async def test_a_client_that_names_an_unknown_placeholder_gets_no_audio() -> None:
    payload = {"audio": {"data_base64": "@guess"}}
    assert await with_audio(payload, {"@token": memoryview(b"AAAA")}) == payload
