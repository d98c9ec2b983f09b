"""Multipart forms: one file, and the fields beside it as a typed value.

Parsed here and not by the framework, so that files are closed however a request ends, and limits hold while the
body arrives.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import IO, Any, Generic, TypeVar

import msgspec
from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser

from antiphon.doors.errors import ContentTooLarge, invalid_of
from antiphon.doors.rest.services import RestRequest
from antiphon.errors import InvalidRequest
from antiphon.text.quoting import shown
from antiphon.wire.transcriptions import MAX_FILE_BYTES

T = TypeVar("T", bound=msgspec.Struct)

MAX_TEXT_BYTES = 4 * 2**20
"""All fields beside the file together."""
_MAX_PARTS = 1000
_IN_MEMORY_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class AudioForm(Generic[T]):
    """What was uploaded. ``file`` is open as long as the form is."""

    file: IO[bytes]
    options: T


@asynccontextmanager
async def audio_form(request: RestRequest, options: type[T]) -> AsyncGenerator[AudioForm[T]]:
    """Read the field ``file`` (25 MiB at most) and the others as ``options``.

    Raises `InvalidRequest`, which names the field, and `ContentTooLarge`.
    """
    kind, parameters = request.content_type
    if kind != "multipart/form-data":
        raise InvalidRequest(
            "Send this request as multipart/form-data.", code="invalid_content_type", param="content-type"
        )
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as file:
        parts = _Parts(file)
        await _read(request, parameters.get("boundary", ""), parts)
        if not parts.has_file:
            raise InvalidRequest("Missing required parameter: 'file'.", code="missing_required_parameter", param="file")
        if not file.tell():
            raise InvalidRequest("The file is empty.", code="invalid_audio", param="file")
        file.seek(0)
        yield AudioForm(file, _typed(parts.fields, options))


async def _read(request: RestRequest, boundary: str, parts: _Parts) -> None:
    try:
        with PushMultipartParser(boundary, max_segment_count=_MAX_PARTS) as parser:
            async for chunk in request.stream():
                for event in parser.parse(chunk):
                    parts.take(event)
    except ParserLimitReached as exc:
        raise ContentTooLarge("The form has too many parts, or too long headers.") from exc
    except (MultipartError, UnicodeDecodeError) as exc:
        raise InvalidRequest(f"The body is not a valid form: {shown(str(exc))}.", code="invalid_form") from exc


@dataclass(slots=True)
class _Parts:
    """Takes the parser's events: a head, data, None at the end of a part."""

    file: IO[bytes]
    has_file: bool = False
    fields: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    _head: MultipartSegment | None = None
    _text: bytearray = field(default_factory=bytearray)
    _text_bytes: int = 0

    def take(self, event: MultipartSegment | bytes | bytearray | None) -> None:
        """Take one event. Raises `ContentTooLarge` as soon as there is too much."""
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


def _typed(fields: list[tuple[str, str]], options: type[T]) -> T:
    """Fold ``name``, ``name[]`` and ``name[0]`` into lists where lists are declared; an empty text is absent."""
    lists = {one.name for one in msgspec.structs.fields(options) if one.default_factory is list}
    values: dict[str, Any] = {}
    for raw_name, value in fields:
        name = raw_name.partition("[")[0]
        if name in lists:
            values.setdefault(name, []).append(value)
        elif value:
            values[name] = value
    try:
        return msgspec.convert(values, options, strict=False)
    except msgspec.ValidationError as exc:
        raise invalid_of(str(exc)) from exc
