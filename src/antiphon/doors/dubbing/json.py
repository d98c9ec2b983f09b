"""What Socket.IO's packets hold: JSON by msgspec, whose payloads may be Structs, and nothing binary."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from socketio.packet import ACK, BINARY_ACK, BINARY_EVENT, EVENT, Packet

from antiphon.text.json_size import MOST_VALUES
from antiphon.text.quoting import MOST_TOLD, shown
from antiphon.wire.event_scan import needs_a_scan
from antiphon.wire.half_characters import find_half, read

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()
_NAME = re.compile(r'\["([^"\\]{1,64})"')
TOO_MUCH = f"more than {MOST_VALUES:,} values"
"""What is left of the payload of such an event: it would take seconds and a gigabyte to decode."""


def dumps(value: Any, **_: Any) -> str:
    """Return JSON text; the options of the standard library's function are accepted and not needed."""
    return _encoder.encode(value).decode()


def loads(text: str | bytes, **_: Any) -> Any:
    """Return what JSON text says, half characters included: whoever takes a payload refuses it for them.

    Of an event of too many values its name and `TOO_MUCH` are left. Raises `ValueError`.
    """
    if isinstance(text, str) and needs_a_scan(text):
        name = _NAME.match(text)
        if name is None:
            raise ValueError(TOO_MUCH)
        return [name[1], TOO_MUCH]
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        value = read(text)
        if find_half(value) is None:
            raise ValueError(str(error)) from error
        return value


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
        self.namespace = self.namespace and shown(self.namespace, MOST_TOLD)  # whoever is refused one hears it again
        self.packet_type = {BINARY_EVENT: EVENT, BINARY_ACK: ACK}.get(self.packet_type, self.packet_type)
        return 0
