"""JSON for Socket.IO packets, by msgspec: payloads may be Structs, and binary attachments are ignored."""

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
"""Replaces the payload of such an event: decoding it would take seconds and a gigabyte."""


def dumps(value: Any, **_: Any) -> str:
    """Return JSON text; the options of the standard library's function are accepted and ignored."""
    return _encoder.encode(value).decode()


def loads(text: str | bytes, **_: Any) -> Any:
    """Decode JSON. Lone surrogates pass: the event's handler refuses them, and can name the field.

    An event with too many values becomes its name and `TOO_MUCH`. Raises `ValueError`.
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
    """A packet without binary attachments: no event has any, and the library would collect them without limit.

    An event that announces attachments is handled at once, with placeholders that fail validation.
    """

    def decode(self, encoded_packet: Any) -> int:
        """Decode a packet. Raises `ValueError`."""
        if isinstance(encoded_packet, bytes):
            self.packet_type, self.namespace, self.data = ACK, None, []
            return 0
        super().decode(encoded_packet)
        self.namespace = self.namespace and shown(self.namespace, MOST_TOLD)  # a refusal repeats it
        self.packet_type = {BINARY_EVENT: EVENT, BINARY_ACK: ACK}.get(self.packet_type, self.packet_type)
        return 0
