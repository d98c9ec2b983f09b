"""The body of a webhook."""

from __future__ import annotations

import math
import re

import msgspec

from antiphon.entities.events import Event
from antiphon.errors import InvalidRequest

_ID = re.compile(r"[\x21-\x7e]{1,256}")
_decode = msgspec.json.Decoder(dict[str, object]).decode


def body_of(event: Event) -> bytes:
    """Return an event as a receiver sees it, in JSON.

    Raises `InvalidRequest` if its payload is not a JSON object, or its id does not fit into a header.
    """
    if not _ID.fullmatch(event.event_id):
        raise InvalidRequest("the id of an event does not fit into a header", code="event_refused")
    try:
        data = _decode(event.payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest("the payload of an event is not a JSON object", code="event_refused") from None
    data.pop("type", None)
    return msgspec.json.encode({
        "id": event.event_id,
        "object": "event",
        "type": event.type,
        "created_at": int(event.created_at) if math.isfinite(event.created_at) else 0,
        "tenant_id": event.tenant,
        "session_id": event.session_id or None,
        "sequence": event.session_sequence,
        "data": data,
    })  # fmt: skip
