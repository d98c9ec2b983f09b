"""Request bodies: size-limited while they arrive, then decoded into the route's type."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from antiphon.doors.errors import ContentTooLarge, invalid_of
from antiphon.doors.http.disconnects import ClientGoneError
from antiphon.doors.server.asgi import Receive, Scope
from antiphon.doors.websocket.large_events import walked
from antiphon.errors import InvalidRequest
from antiphon.text.json_size import MOST_VALUES
from antiphon.text.quoting import shown
from antiphon.wire.event_scan import Scan, TooMuch

B_co = TypeVar("B_co", covariant=True)
T = TypeVar("T", bound=msgspec.Struct)

MAX_JSON_BYTES = 2**20
"""Largest body of any request but an upload."""
_KINDS = frozenset({"application/json", "multipart/form-data"})


class Body(Protocol[B_co]):
    """How a route's body is read. ``kind`` is its type, None for a route without a body."""

    @property
    def kind(self) -> Any:
        """The type of its fields."""
        ...

    @property
    def is_required(self) -> bool:
        """False if a request without a body means the defaults."""
        ...

    @property
    def media_type(self) -> str:
        """The content type to send it with."""
        ...

    async def read(self, scope: Scope, receive: Receive) -> B_co:
        """Return the handler's ``body``. Raises `InvalidRequest`, which names the field, and `ContentTooLarge`."""
        ...


@dataclass(frozen=True, slots=True)
class NoBody:
    """The body of a route that takes none; it is not read."""

    kind: None = None
    is_required: bool = False
    media_type: str = ""

    async def read(self, scope: Scope, receive: Receive) -> None:
        """Read nothing."""


NO_BODY: Body[Any] = NoBody()


@dataclass(frozen=True, slots=True)
class JsonBody(Generic[T]):
    """A JSON body. If it is not required, no body and ``null`` both mean a value with all defaults."""

    kind: type[T]
    is_required: bool = True
    media_type: str = "application/json"

    async def read(self, scope: Scope, receive: Receive) -> T:
        """Read it within its limit and decode it."""
        data = b"".join([chunk async for chunk in chunks(scope, receive, MAX_JSON_BYTES)])
        if data:
            await _check_values(data)
            decoded = _decoded(data, self.kind if self.is_required else self.kind | None)
        elif self.is_required:
            raise InvalidRequest("This request needs a JSON body.", code="missing_body")
        else:
            decoded = None
        return self.kind() if decoded is None else decoded


def header(scope: Scope, name: bytes) -> str:
    """Return the first header of this name, or an empty string."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def check_content_type(scope: Scope) -> None:
    """Refuse a body that a web page can send without a preflight: a form, plain text, or one without a type."""
    if (header(scope, b"content-length") or "0") == "0" and not header(scope, b"transfer-encoding"):
        return
    if header(scope, b"content-type").partition(";")[0].strip().lower() not in _KINDS:
        raise InvalidRequest(
            "Send the body as application/json, or as multipart/form-data if it has a file.",
            code="invalid_content_type",
            param="content-type",
        )


async def chunks(scope: Scope, receive: Receive, most_bytes: int) -> AsyncGenerator[bytes]:
    """Yield a body as it arrives. Raises `ContentTooLarge` as soon as its announced or real size is too large."""
    announced = header(scope, b"content-length")
    if announced and not announced.isdecimal():
        raise InvalidRequest(f"Invalid content-length: '{shown(announced)}'", code="invalid_request")
    left_bytes = most_bytes
    if announced and int(announced) > most_bytes:
        raise ContentTooLarge("The request body is too large.")
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError("The client has disconnected.")
        chunk = message.get("body", b"")
        left_bytes -= len(chunk)
        if left_bytes < 0:
            raise ContentTooLarge("The request body is too large.")
        if chunk:
            yield chunk
        more = message.get("more_body", False)


async def _check_values(data: bytes) -> None:
    """Bound the number of values before decoding: a megabyte of empty lists takes 0.1 s to decode."""
    if len(data) <= MOST_VALUES:
        return
    try:
        await walked(Scan(data, ""))
    except TooMuch as error:
        raise InvalidRequest(str(error), code=error.code, param=error.param) from error


def _decoded(data: bytes, kind: Any) -> Any:
    """Return ``data`` as ``kind``; numbers may be sent as strings.

    Decoded in two steps: a single step would not validate the JSON of unknown fields.
    """
    try:
        return msgspec.convert(msgspec.json.decode(data), kind, strict=False, str_keys=True)
    except msgspec.ValidationError as exc:
        raise invalid_of(str(exc)) from exc
    except RecursionError as exc:
        raise _no_json("it is nested too deep") from exc
    except UnicodeDecodeError as exc:
        raise _no_json("it is not UTF-8") from exc
    except msgspec.DecodeError as exc:
        raise _no_json(shown(str(exc))) from exc


def _no_json(reason: str) -> InvalidRequest:
    return InvalidRequest(f"The body is not valid JSON: {reason}.", code="invalid_json")
