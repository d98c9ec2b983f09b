"""``bounds.md``: what a caller can ask for at most, and the setting that changes it."""

from __future__ import annotations

from antiphon.app.settings import settings_class
from antiphon.audio.claims import limits as claims
from antiphon.audio.containers import MAX_DURATION_S, MAX_WORK_S
from antiphon.conversation.state import MAX_CHARACTERS
from antiphon.doors.access.client_secrets import MAX_TTL_S
from antiphon.doors.dubbing.transports import MAX_POST_BYTES
from antiphon.doors.http.bodies import MAX_JSON_BYTES
from antiphon.doors.http.in_flight_bytes import WAITING_BYTES
from antiphon.doors.server.exchange import UNKEYED_BYTES
from antiphon.doors.server.request_parser import MAX_HEAD_BYTES, MAX_HEADERS
from antiphon.providers.decoding.decoders import FILES, WARM
from antiphon.providers.decoding.process import MEMORY_BYTES
from antiphon.text import json_size, schema_example
from antiphon.wire.speech import MAX_INPUT_CHARS
from antiphon.wire.transcriptions import MAX_FILE_BYTES
from generators.page import code, page, table

_INTRODUCTION = (
    "Every number that a caller names is held against what is there before memory or time is spent on it. "
    "What a setting changes is named by its variable; the rest is fixed."
)
_KIB, _MIB = 2**10, 2**20
Row = tuple[str, str]

_FIXED: dict[str, tuple[Row, ...]] = {
    "Before a key is checked": (
        ("head of a request", f"{MAX_HEAD_BYTES // _KIB} KiB, {MAX_HEADERS} headers"),
        ("body, or message of a WebSocket", f"{UNKEYED_BYTES // _KIB} KiB"),
    ),
    "Requests": (
        ("JSON body", f"{MAX_JSON_BYTES // _MIB} MiB"),
        ("uploaded file", f"{MAX_FILE_BYTES // _MIB} MiB"),
        ("text to speak", f"{MAX_INPUT_CHARS} characters"),
        ("body of a Socket.IO request behind the key", f"{MAX_POST_BYTES // _MIB} MiB"),
        (
            "texts and images (as base64) of all items that a client adds to a session",
            f"{MAX_CHARACTERS // _MIB} Mi characters",
        ),
        ("life of a client secret", f"{MAX_TTL_S} s"),
    ),
    "Files": (
        ("decoded sound of all uploads at a time", f"{WAITING_BYTES // _MIB} MiB"),
        ("sound of one file", f"{MAX_DURATION_S:g} s"),
        ("time in the decoder", f"{MAX_WORK_S:g} s of CPU"),
        ("addresses of a decoder", f"{MEMORY_BYTES // _MIB} MiB"),
        ("decoders at a time, and files before one is replaced", f"{WARM}, {FILES}"),
        ("tracks, and entries of all tables", f"{claims.MAX_TRACKS}, {claims.MAX_ENTRIES}"),
    ),
    "Schemas of tools": (
        ("values, depth", f"{json_size.MOST_VALUES}, {json_size.MOST_DEPTH}"),
        ("characters of a schema", f"{json_size.MOST_CHARACTERS // _KIB} Ki"),
        ("characters of an example made for one", f"{schema_example.MOST_CHARACTERS // _KIB} Ki"),
    ),
}
_WORDS = ("max", "most", "limit", "timeout", "timeout", "stall", "idle", "attempts", "hours", "connections")


def render() -> str:
    """Return the page."""
    blocks = [f"## {title}\n\n{table(('what', 'at most'), rows)}" for title, rows in _FIXED.items()]
    settings = [
        (code(f"ANTIPHON_{name.upper()}"), code(field.default), field.description or "")
        for name, field in settings_class().model_fields.items()
        if isinstance(field.default, int | float) and not isinstance(field.default, bool) and _bounds_something(name)
    ]
    return page("Bounds", _INTRODUCTION, *blocks, "## Settings", table(("variable", "default", "meaning"), settings))


def _bounds_something(name: str) -> bool:
    return bool(set(name.split("_")) & set(_WORDS))
