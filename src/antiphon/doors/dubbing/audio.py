"""Fragments of megabytes: their audio is taken out before the library decodes their packet, and put back behind it.

The library copies a message five times and decodes it in one step, for which everybody else would have to wait.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from antiphon import ids
from antiphon.doors.dubbing.json import TOO_MUCH
from antiphon.doors.websocket.large_events import LARGE_BYTES, plain, walked
from antiphon.wire.dubbing_client import MAX_AUDIO_BASE64
from antiphon.wire.event_scan import Scan, TooMuch

_EVENT = re.compile(rb'[^"]{0,300}\["[^"\\]{1,64}"')
"""A packet up to where the name of its event ends."""
_BINARY = b"bAA=="
"""What stands for a binary packet in a body: it is passed over, but not before it is decoded."""

Taken = dict[str, memoryview]
"""Audio, as its packets have it, by what stands in its place."""


async def lightened(packet: bytes | bytearray, taken: Taken) -> bytes | bytearray:
    """Return a packet as the library may have it; its audio goes to ``taken``, if it is long.

    An event of too many values keeps its name alone. Raises `ValueError` for one that has none.
    """
    if len(packet) <= LARGE_BYTES:
        return packet
    if packet.startswith(b"b"):
        return _BINARY
    scan = Scan(packet, f"@{ids.token(16)}")
    try:
        light = await walked(scan)
    except TooMuch as error:
        event = _EVENT.match(packet)
        if event is None:
            raise ValueError(TOO_MUCH) from error
        return b'%b,"%b"]' % (event[0], TOO_MUCH.encode())
    taken |= scan.taken
    return light


async def with_audio(payload: Any, taken: Taken) -> Any:
    """Return a fragment's payload with the audio that was taken out; of audio that is too long more than may be."""
    match payload:
        case {"audio": {"data_base64": str(name), **audio}, **fields} if name in taken:
            return {**fields, "audio": {**audio, "data_base64": await _text(taken.pop(name))}}
        case _:
            return payload


async def _text(audio: memoryview) -> str:
    pieces: list[str] = []
    size = 0
    try:
        async for piece in plain(audio):
            pieces.append(piece.decode())
            size += len(piece)
            if size > MAX_AUDIO_BASE64:
                break
    except ValueError:  # wrong escapes, or a letter that is cut: no base64 either, and refused as that
        return "\\"
    text = "".join(pieces)
    await asyncio.sleep(0)
    return text
