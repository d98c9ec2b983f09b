"""Events of megabytes: scanned in slices before they are decoded, so that no other session has to wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import msgspec

from antiphon import ids
from antiphon.doors.server.frames import LONG_BYTES, LongText
from antiphon.wire import realtime_codec
from antiphon.wire.event_decoder import BadEvent
from antiphon.wire.event_scan import Scan, TooMuch, needs_a_scan

LARGE_BYTES = LONG_BYTES
"""Larger data is processed in a thread, or in slices between which the event loop continues."""
LARGE_AT_ONCE = 2
"""Events that a process scans at the same time: each needs three times its size in memory at most."""
SLICE_BYTES = 32 * 2**10
"""A slice of audio: less than a second, which a voice detector processes in a few milliseconds."""
_SLICE_CHARACTERS = SLICE_BYTES // 3 * 4
_ESCAPE_CHARACTERS = 6
"""Longest escape: backslash, u, four digits."""


def is_large(frame: str | LongText) -> bool:
    """Say whether an event has to be scanned before it is decoded."""
    return isinstance(frame, LongText) or len(frame) > LARGE_BYTES or needs_a_scan(frame)


def size_bytes(frame: str | LongText) -> int:
    """Return the size of an event as it was received."""
    return len(frame) if isinstance(frame, LongText) or frame.isascii() else len(frame.encode(errors="surrogatepass"))


async def opened(frame: str | LongText) -> tuple[bytes, dict[str, memoryview]]:
    """Return an event with placeholders for its audio and images, and these, still escaped, by placeholder.

    Raises `BadEvent` for an event of too many values, or too much text.
    """
    scan = Scan(
        frame.data if isinstance(frame, LongText) else frame.encode(errors="surrogatepass"), f"@{ids.token(16)}"
    )
    try:
        return await walked(scan), scan.taken
    except TooMuch as error:
        raise BadEvent(str(error), code=error.code, param=error.param, event_id=None) from error


async def walked(scan: Scan) -> bytes:
    """Return the rest of a scanned text; other tasks run between the steps. Raises `TooMuch`."""
    steps = scan.steps()
    try:
        while True:
            next(steps)
            await asyncio.sleep(0)
    except StopIteration as end:
        return end.value


async def plain(taken: memoryview) -> AsyncGenerator[bytes, None]:
    """Yield text that was cut out of an event, unescaped, as UTF-8 in slices. Raises `ValueError`.

    Other tasks run between the slices.
    """
    at, size = 0, len(taken)
    while at < size:
        piece = bytes(taken[at : at + _SLICE_CHARACTERS])
        at += len(piece)
        if b"\\" in piece:
            escape = piece.rfind(b"\\", 1 - _ESCAPE_CHARACTERS) if at < size else -1
            if escape > 0:  # it continues in the next slice
                at -= len(piece) - escape
                piece = piece[:escape]
            piece = msgspec.json.decode(b'"%b"' % piece, type=str).encode()
        yield piece
        await asyncio.sleep(0)


async def decoded(taken: memoryview, *, param: str, event_id: str | None, most: int) -> list[bytes]:
    """Decode base64 audio that was cut out of an event, slice by slice. Raises `BadEvent` naming ``param``."""
    slices: list[bytes] = []
    rest = b""
    try:
        async for piece in plain(taken):
            rest += piece
            whole = (len(rest) - 1) // 4 * 4  # a last group may be the end: it waits for the next slice
            if rest[:whole].endswith(b"="):
                raise realtime_codec.no_base64(param, event_id)
            slices.append(realtime_codec.decode_audio(rest[:whole], param=param, event_id=event_id))
            rest = rest[whole:]
    except ValueError as error:
        raise realtime_codec.no_base64(param, event_id) from error
    slices.append(realtime_codec.decode_audio(rest, param=param, event_id=event_id))
    if (size := sum(map(len, slices))) > most:
        raise realtime_codec.too_much_audio(size, most, param, event_id)
    return slices


def misplaced() -> BadEvent:
    """Return the error for large audio, or an image, in a field that takes none."""
    message = "The event has large audio or image data in a field that takes none."
    return BadEvent(message, code="event_too_large", param=None, event_id=None)
