"""A form is one file and typed fields, read within limits while it arrives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from antiphon.doors.errors import ContentTooLarge
from antiphon.doors.http.forms import MAX_BODY_BYTES, MAX_TEXT_BYTES, AudioForm, FormBody
from antiphon.errors import InvalidRequest
from tests.unit.doors.asgi_call import receiver, scope_of


class Options(msgspec.Struct):
    language: str | None = None
    temperature: float | None = None
    words: list[str] = msgspec.field(default_factory=list)


KIND = 'multipart/form-data; boundary="x"'
FILE = ("file", b"sound", "a.wav")


def form(*parts: tuple[str, bytes, str | None]) -> bytes:
    told = b""
    for name, value, filename in parts:
        file = f'; filename="{filename}"' if filename else ""
        told += f'--x\r\ncontent-disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + value + b"\r\n"
    return told + b"--x--\r\n"


async def read(sent: Iterable[bytes], kind: str = KIND) -> tuple[bytes, Options, AudioForm[Options]]:
    upload = await FormBody(Options).read(scope_of(headers=[("content-type", kind)]), receiver(*sent))
    async with upload.opened() as opened:
        return opened.file.read(), opened.options, opened


async def test_a_form_in_any_pieces_is_its_file_and_its_fields() -> None:
    whole = form(("words[]", b"a", None), FILE, ("words[]", b"b", None), ("temperature", b"0.5", None))
    for size in (1, 7, len(whole)):
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
        data, options, opened = await read(pieces)
        assert (data, options) == (b"sound", Options(None, 0.5, ["a", "b"]))
        assert opened.file.closed


async def test_the_body_is_not_read_before_the_form_is_opened() -> None:
    async def never() -> Any:
        raise AssertionError

    await FormBody(Options).read(scope_of(headers=[("content-type", KIND)]), never)


@pytest.mark.parametrize(("sent", "kind", "code", "param"), [
    (form(FILE), "application/json", "invalid_content_type", "content-type"),
    (form(FILE), "multipart/form-data", "invalid_form", None),
    (b"--y", KIND, "invalid_form", None),
    (form(("language", b"en", None)), KIND, "missing_required_parameter", "file"),
    (form(("file", b"sound", None)), KIND, "missing_required_parameter", "file"),
    (form(("file", b"", "a.wav")), KIND, "invalid_audio", "file"),
    (form(FILE, ("temperature", b"hot", None)), KIND, "invalid_value", "temperature"),
    (form(FILE, ("language", b"\xff", None)), KIND, "invalid_form", None),
])  # fmt: skip
async def test_a_form_that_cannot_be_read_is_refused(sent: bytes, kind: str, code: str, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await read([sent], kind)
    assert (refused.value.code, refused.value.param) == (code, param)


async def test_fields_that_are_too_large_are_refused() -> None:
    with pytest.raises(ContentTooLarge, match="fields"):
        await read([form(FILE, ("language", b"x" * (MAX_TEXT_BYTES + 1), None))])


async def test_too_many_parts_are_refused() -> None:
    with pytest.raises(ContentTooLarge, match="too many parts"):
        await read([form(FILE, *[("z", b"", None)] * 1001)])


async def test_a_form_that_announces_too_much_is_refused_before_it_is_read() -> None:
    scope = scope_of(headers=[("content-type", KIND), ("content-length", str(MAX_BODY_BYTES + 1))])
    upload = await FormBody(Options).read(scope, receiver())
    with pytest.raises(ContentTooLarge):
        async with upload.opened():
            pass
