"""What Socket.IO's packets hold: JSON by msgspec, whose payloads may be Structs, and nothing binary."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from socketio.packet import ACK, BINARY_ACK, BINARY_EVENT, EVENT, Packet

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()
_MOST_VALUES = 10_000
"""An event of many small values would take seconds and a gigabyte to decode; audio is one value."""
_NAME = re.compile(r'\["([^"\\]{1,64})"')
TOO_MUCH = "more than 10,000 values"
"""What is left of the payload of such an event."""


def dumps(value: Any, **_: Any) -> str:
    """Return JSON text; the options of the standard library's function are accepted and not needed."""
    return _encoder.encode(value).decode()


def loads(text: str | bytes, **_: Any) -> Any:
    """Return what JSON text says; of an event of too many values its name and `TOO_MUCH`. Raises `ValueError`."""
    values = text.count(",") + text.count("[") + text.count("{") if isinstance(text, str) else 0
    if values > _MOST_VALUES:
        name = _NAME.match(text) if isinstance(text, str) else None
        if name is None:
            raise ValueError(TOO_MUCH)
        return [name[1], TOO_MUCH]
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error


class TextPacket(Packet):
    """A packet without binary attachments: no event here has any, and they would be collected without end.

    An event that announces some is handled at once, with placeholders that no event takes; they are passed over.
    """

    def decode(self, encoded_packet: Any) -> int:
        """Read a packet. Raises `ValueError`."""
        if isinstance(encoded_packet, bytes):
            self.packet_type, self.namespace, self.data = ACK, None, []
            return 0
        super().decode(encoded_packet)
        self.packet_type = {BINARY_EVENT: EVENT, BINARY_ACK: ACK}.get(self.packet_type, self.packet_type)
        return 0
