"""Frames in, frames out: the only place where Realtime events become bytes."""

from __future__ import annotations

import msgspec
import pybase64

from antiphon.errors import InvalidRequest
from antiphon.wire.realtime_client import ClientMessage
from antiphon.wire.realtime_server import ResponseOutputAudioDelta, ServerMessage
from antiphon.wire.refusal import explain

_EVENT_ID_MAX = 512


class BadEvent(InvalidRequest):
    """A frame that is no valid client event; ``event_id`` is the client's where one could be read."""

    def __init__(self, message: str, *, code: str, param: str | None, event_id: str | None) -> None:
        super().__init__(message, code=code, param=param)
        self.event_id = event_id


class _Head(msgspec.Struct):
    """What can be told of a frame that did not decode."""

    type: msgspec.Raw = msgspec.Raw(b"null")
    event_id: msgspec.Raw = msgspec.Raw(b"null")


_decoder = msgspec.json.Decoder(ClientMessage)
_head_decoder = msgspec.json.Decoder(_Head)
_string_decoder = msgspec.json.Decoder(str)
_encoder = msgspec.json.Encoder()
_KNOWN_TYPES = frozenset(
    str(info.tag)
    for info in msgspec.inspect.type_info(ClientMessage).types  # pyright: ignore[reportAttributeAccessIssue] -- a union has types
)


def decode(frame: str | bytes) -> ClientMessage:
    """Decode one text frame. Raises `BadEvent`, which names the field."""
    try:
        return _decoder.decode(frame)
    except msgspec.ValidationError as error:
        raise _refuse(frame, str(error)) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        message = f"The event is not valid JSON: {error}."
        raise BadEvent(message, code="invalid_json", param=None, event_id=None) from error


def _refuse(frame: str | bytes, error: str) -> BadEvent:
    kind, event_id = _head(frame)
    if kind is not None and kind not in _KNOWN_TYPES:
        supported = ", ".join(f"'{name}'" for name in sorted(_KNOWN_TYPES))
        message = f"Invalid value: '{kind[:64]}'. Supported values are: {supported}."
        return BadEvent(message, code="invalid_value", param="type", event_id=event_id)
    why = explain(error)
    return BadEvent(why.message, code=why.code, param=why.param, event_id=event_id)


def _head(frame: str | bytes) -> tuple[str | None, str | None]:
    """Read type and event_id of a bad frame, as far as they are strings."""
    try:
        head = _head_decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None, None
    event_id = _string(head.event_id)
    return _string(head.type), event_id if event_id is None or len(event_id) <= _EVENT_ID_MAX else None


def _string(raw: msgspec.Raw) -> str | None:
    try:
        return _string_decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeError):
        return None


def encode(event: ServerMessage) -> bytes:
    """Encode any server event as JSON."""
    return _encoder.encode(event)


def encode_audio_delta(event: ResponseOutputAudioDelta, audio: bytes) -> bytes:
    """Encode the hot event; ``event.delta`` is ignored and ``audio`` takes its place as base64.

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


def decode_audio(text: str, *, param: str, event_id: str | None) -> bytes:
    """Decode base64 audio. Raises `BadEvent` naming ``param``."""
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError as error:
        message = f"Invalid '{param}': not valid base64."
        raise BadEvent(message, code="invalid_value", param=param, event_id=event_id) from error
