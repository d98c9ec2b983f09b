"""Decodes frames into client events of a tagged union; errors name the field."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, cast, get_args

import msgspec

from antiphon.errors import InvalidRequest
from antiphon.text.quoting import quoted
from antiphon.text.surrogates import has_no_surrogates
from antiphon.wire import half_characters
from antiphon.wire.validation_errors import explain

T = TypeVar("T")
_EVENT_ID_MAX = 512


class BadEvent(InvalidRequest):
    """A frame that is not a valid client event; ``event_id`` is the client's, if readable."""

    def __init__(self, message: str, *, code: str, param: str | None, event_id: str | None) -> None:
        super().__init__(message, code=code, param=param)
        self.event_id = event_id


class _Head(msgspec.Struct):
    """The readable fields of an invalid frame."""

    type: msgspec.Raw = msgspec.Raw(b"null")
    event_id: msgspec.Raw = msgspec.Raw(b"null")


_head_decoder = msgspec.json.Decoder(_Head)
_string_decoder = msgspec.json.Decoder(str)


class EventDecoder(Generic[T]):
    """Decodes the events of one union."""

    def __init__(self, union: Any) -> None:
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(union)
        self._known = frozenset(str(kind.__struct_config__.tag) for kind in get_args(union))

    def decode(self, frame: str | bytes) -> T:
        """Decode one text frame. Raises `BadEvent`."""
        try:
            return self._decoder.decode(frame)
        except msgspec.ValidationError as error:
            raise self._refuse(frame, str(error)) from error
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise _not_json(frame, error) from error

    def _refuse(self, frame: str | bytes, error: str) -> BadEvent:
        kind, event_id = _head(frame)
        if kind is not None and kind not in self._known:
            supported = ", ".join(f"'{name}'" for name in sorted(self._known))
            message = f"Invalid value: {quoted(kind)}. Supported values are: {supported}."
            return BadEvent(message, code="invalid_value", param="type", event_id=event_id)
        why = explain(error)
        return BadEvent(why.message, code=why.code, param=why.param, event_id=event_id)


def _not_json(frame: str | bytes, error: Exception) -> BadEvent:
    """Return the error of a frame that is not JSON; a lone surrogate is reported with its field and event."""
    event = half_characters.read(frame)
    names = half_characters.find_half(event)
    if names is None:
        return BadEvent(f"The event is not valid JSON: {error}.", code="invalid_json", param=None, event_id=None)
    why = half_characters.refusal_of(names)
    return BadEvent(why.message, code=why.code, param=why.param, event_id=_short(_member(event, "event_id")))


def _head(frame: str | bytes) -> tuple[str | None, str | None]:
    """Return type and event_id of an invalid frame, if they are strings."""
    try:
        head = _head_decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        event = half_characters.read(frame)
        return _member(event, "type"), _short(_member(event, "event_id"))
    return _string(head.type), _short(_string(head.event_id))


def _member(event: Any, name: str) -> str | None:
    found = cast("dict[str, Any]", event).get(name) if isinstance(event, dict) else None
    return found if isinstance(found, str) and has_no_surrogates(found) else None


def _short(event_id: str | None) -> str | None:
    return event_id if event_id is None or len(event_id) <= _EVENT_ID_MAX else None


def _string(raw: msgspec.Raw) -> str | None:
    try:
        return _string_decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeError):
        return None
