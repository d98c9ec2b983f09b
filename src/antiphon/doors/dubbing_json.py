"""The JSON of Socket.IO by msgspec: payloads may be Structs, and audio of a megabyte takes a millisecond."""

from __future__ import annotations

from typing import Any

import msgspec

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


def dumps(value: Any, **_: Any) -> str:
    """Return JSON text; the options of the standard library's function are accepted and not needed."""
    return _encoder.encode(value).decode()


def loads(text: str | bytes, **_: Any) -> Any:
    """Return what JSON text says. Raises `ValueError`."""
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
