"""Multipart forms: one file, and the fields beside it as a typed value."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from litestar.datastructures import UploadFile

from antiphon.doors.errors_http import ContentTooLarge, invalid_of
from antiphon.doors.services import RestRequest
from antiphon.errors import InvalidRequest
from antiphon.wire.transcriptions import MAX_FILE_BYTES

T = TypeVar("T", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class AudioForm(Generic[T]):
    """What was uploaded."""

    file: bytes
    name: str
    options: T


@asynccontextmanager
async def _form(request: RestRequest) -> AsyncGenerator[list[tuple[str, Any]]]:
    kind, _ = request.content_type
    if kind != "multipart/form-data":
        raise InvalidRequest("Send this request as multipart/form-data.", code="invalid_content_type")
    form = await request.form()
    try:
        yield list(form.multi_items())
    finally:
        await form.close()


async def read_audio_form(request: RestRequest, options: type[T]) -> AudioForm[T]:
    """Read the field ``file`` (25 MiB at most) and the others as ``options``.

    Raises `InvalidRequest`, which names the field, and `ContentTooLarge`.
    """
    async with _form(request) as items:
        uploads = [value for name, value in items if name == "file" and isinstance(value, UploadFile)]
        if not uploads:
            raise InvalidRequest("Missing required parameter: 'file'.", code="missing_required_parameter", param="file")
        content = await uploads[-1].read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise ContentTooLarge(f"The file is larger than {MAX_FILE_BYTES} bytes.", param="file")
        if not content:
            raise InvalidRequest("The file is empty.", code="invalid_audio", param="file")
        fields = [(name, value) for name, value in items if not isinstance(value, UploadFile)]
        return AudioForm(content, uploads[-1].filename, _typed(fields, options))


def _typed(fields: list[tuple[str, Any]], options: type[T]) -> T:
    """Fold ``name``, ``name[]`` and ``name[0]`` into lists where lists are declared; an empty text is absent."""
    lists = {field.name for field in msgspec.structs.fields(options) if field.default_factory is list}
    values: dict[str, Any] = {}
    for raw_name, value in fields:
        name = raw_name.partition("[")[0]
        if name in lists:
            values.setdefault(name, []).append(value)
        elif value != "":
            values[name] = value
    try:
        return msgspec.convert(values, options, strict=False)
    except msgspec.ValidationError as exc:
        raise invalid_of(str(exc)) from exc
