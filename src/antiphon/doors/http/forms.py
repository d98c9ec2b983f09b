"""Multipart forms: one file, and the other fields as a typed value.

Files are closed at the end of every request, and limits hold while the body arrives.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import IO, Generic, TypeVar

import msgspec
from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser, parse_options_header

from antiphon.doors.errors import ContentTooLarge
from antiphon.doors.http.bodies import chunks, header
from antiphon.doors.http.fields import decode_fields
from antiphon.doors.server.asgi import Receive, Scope
from antiphon.errors import InvalidRequest
from antiphon.text.quoting import shown
from antiphon.wire.transcriptions import MAX_FILE_BYTES

T = TypeVar("T", bound=msgspec.Struct)

FORM = "multipart/form-data"
MAX_TEXT_BYTES = 4 * 2**20
"""Most bytes of all other fields together."""
MAX_BODY_BYTES = MAX_FILE_BYTES + 2**20
"""The file and the rest of the form."""
FILE_SCHEMA = {"type": "string", "format": "binary", "description": "The audio file, 25 MiB at most."}
_MAX_PARTS = 1000
_IN_MEMORY_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class AudioForm(Generic[T]):
    """An uploaded form. ``file`` is open as long as the form is."""

    file: IO[bytes]
    options: T


@dataclass(frozen=True, slots=True)
class Upload(Generic[T]):
    """A form that is not read yet: a handler can refuse the request before the file arrives."""

    scope: Scope
    receive: Receive
    options: type[T]

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[AudioForm[T]]:
        """Read the field ``file`` (25 MiB at most) and the others as ``options``.

        Raises `InvalidRequest`, which names the field, and `ContentTooLarge`.
        """
        kind, parameters = parse_options_header(header(self.scope, b"content-type"))
        if kind != FORM:
            raise InvalidRequest(
                "Send this request as multipart/form-data.", code="invalid_content_type", param="content-type"
            )
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as file:
            parts = _Parts(file)
            await _read(chunks(self.scope, self.receive, MAX_BODY_BYTES), parameters.get("boundary", ""), parts)
            if not parts.has_file:
                raise InvalidRequest(
                    "Missing required parameter: 'file'.", code="missing_required_parameter", param="file"
                )
            if not file.tell():
                raise InvalidRequest("The file is empty.", code="invalid_audio", param="file")
            file.seek(0)
            yield AudioForm(file, decode_fields(parts.fields, self.options))


@dataclass(frozen=True, slots=True)
class FormBody(Generic[T]):
    """A multipart form of an audio file and fields of ``kind``."""

    kind: type[T]
    is_required: bool = True
    media_type: str = FORM

    async def read(self, scope: Scope, receive: Receive) -> Upload[T]:
        """Return the form; the handler opens it."""
        return Upload(scope, receive, self.kind)


async def _read(body: AsyncIterator[bytes], boundary: str, parts: _Parts) -> None:
    try:
        with PushMultipartParser(boundary, max_segment_count=_MAX_PARTS) as parser:
            async for chunk in body:
                for event in parser.parse(chunk):
                    parts.take(event)
    except ParserLimitReached as exc:
        raise ContentTooLarge("The form has too many parts, or too long headers.") from exc
    except (MultipartError, UnicodeDecodeError) as exc:
        raise InvalidRequest(f"The body is not a valid form: {shown(str(exc))}.", code="invalid_form") from exc


@dataclass(slots=True)
class _Parts:
    """Collects the parser's events: a head, data, and None at the end of a part."""

    file: IO[bytes]
    has_file: bool = False
    fields: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    _head: MultipartSegment | None = None
    _text: bytearray = field(default_factory=bytearray)
    _text_bytes: int = 0

    def take(self, event: MultipartSegment | bytes | bytearray | None) -> None:
        """Take one event. Raises `ContentTooLarge` as soon as a limit is exceeded."""
        if isinstance(event, MultipartSegment):
            self._begin(event)
        elif event is not None and self._is_file:
            self.file.write(event)
            if self.file.tell() > MAX_FILE_BYTES:
                raise ContentTooLarge(f"The file is larger than {MAX_FILE_BYTES} bytes.", param="file")
        elif event is not None:
            self._add(event)
        elif self._head is not None and not self._is_file and self._head.filename is None:
            self.fields.append((self._head.name or "", self._text.decode()))

    @property
    def _is_file(self) -> bool:
        return self._head is not None and self._head.name == "file" and self._head.filename is not None

    def _begin(self, head: MultipartSegment) -> None:
        self._head = head
        self._text = bytearray()
        if self._is_file:
            self.file.seek(0)  # the last of several files counts
            self.file.truncate()
            self.has_file = True

    def _add(self, data: bytes | bytearray) -> None:
        self._text_bytes += len(data)
        if self._text_bytes > MAX_TEXT_BYTES:
            raise ContentTooLarge(f"The form's fields are larger than {MAX_TEXT_BYTES} bytes.")
        self._text += data
