"""Encodes and decodes Realtime events; no other module does."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pybase64
from msgspec.structs import replace

from antiphon.wire.event_decoder import BadEvent, EventDecoder
from antiphon.wire.realtime_client import ClientMessage
from antiphon.wire.realtime_items import Message
from antiphon.wire.realtime_server import ConversationItemRetrieved, ResponseOutputAudioDelta, ServerMessage

_decoder: EventDecoder[ClientMessage] = EventDecoder(ClientMessage)
_encoder = msgspec.json.Encoder()
_SPOKEN = ("input_audio", "output_audio")


def decode(frame: str | bytes) -> ClientMessage:
    """Decode one text frame. Raises `BadEvent`, which names the field."""
    return _decoder.decode(frame)


def encode(event: ServerMessage) -> bytes:
    """Encode any server event as JSON."""
    return _encoder.encode(event)


def encode_audio_delta(event: ResponseOutputAudioDelta, audio: bytes) -> bytes:
    """Encode an audio delta quickly; ``audio`` as base64 replaces ``event.delta``.

    Ids are made by the server and plain ASCII without quotes, so a template is enough.
    """
    return (
        (
            f'{{"type":"response.output_audio.delta","event_id":"{event.event_id}","response_id":"{event.response_id}",'
            f'"item_id":"{event.item_id}","output_index":{event.output_index},"content_index":{event.content_index},'
            '"delta":"'
        ).encode()
        + pybase64.b64encode(audio)
        + b'"}'
    )


def encode_item(event: ConversationItemRetrieved, audio: Sequence[bytes]) -> bytes:
    """Encode an item with its audio, given in pieces; mostly without holding the interpreter's lock."""
    item = event.item
    if not isinstance(item, Message) or not any(audio):
        return _encoder.encode(event)
    content = tuple(replace(part, audio="@") if part.type in _SPOKEN else part for part in item.content)
    frame = _encoder.encode(replace(event, item=replace(item, content=content)))
    encoded = pybase64.b64encode(b"".join(audio))
    first, *others = frame.split(b'"audio":"@"')  # cannot occur in a text: its quotes are escaped
    pieces = [first]
    for other in others:
        pieces += [b'"audio":"', encoded, b'"', other]
    return b"".join(pieces)


def decode_audio(text: str | bytes, *, param: str, event_id: str | None, most: int | None = None) -> bytes:
    """Decode base64 audio of at most ``most`` bytes. Raises `BadEvent` naming ``param``."""
    try:
        data = pybase64.b64decode(text, validate=True)
    except ValueError as error:
        raise no_base64(param, event_id) from error
    if most is not None and len(data) > most:
        raise too_much_audio(len(data), most, param, event_id)
    return data


def no_base64(param: str, event_id: str | None) -> BadEvent:
    """Return the error for invalid base64."""
    return BadEvent(f"Invalid '{param}': not valid base64.", code="invalid_value", param=param, event_id=event_id)


def too_much_audio(size_bytes: int, most: int, param: str, event_id: str | None) -> BadEvent:
    """Return the error for audio that is too long."""
    message = f"Invalid '{param}': {size_bytes} bytes of audio; the most is {most}."
    return BadEvent(message, code="audio_too_large", param=param, event_id=event_id)
