"""Takes long audio out of packets before the library decodes them, and restores it afterwards.

The library copies a message five times and decodes it in one step, which would block the event loop.
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
"""A packet up to the end of its event's name."""
_BINARY = b"bAA=="
"""Replaces binary packets, which the library ignores, but only after it has decoded them."""

Taken = dict[str, memoryview]
"""Audio in its encoded form, by its placeholder."""


async def lightened(packet: bytes | bytearray, taken: Taken) -> bytes | bytearray:
    """Return a packet with long audio moved to ``taken``.

    An event with too many values is reduced to its name. Raises `ValueError` if it has no name.
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
    """Restore the audio of a fragment's payload. Too long audio is cut, but still exceeds the limit."""
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
    except ValueError:  # invalid escapes or truncated UTF-8: refused as invalid base64
        return "\\"
    text = "".join(pieces)
    await asyncio.sleep(0)
    return text
