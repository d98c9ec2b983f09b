"""A body is read within its limit while it arrives, and what cannot be decoded is named by its field."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from antiphon.doors.errors import ContentTooLarge
from antiphon.doors.http.bodies import MAX_JSON_BYTES, NO_BODY, JsonBody, check_content_type, chunks
from antiphon.doors.http.disconnects import ClientGoneError
from antiphon.errors import InvalidRequest
from tests.unit.doors.asgi_call import receiver, scope_of


class Pet(msgspec.Struct):
    name: str
    legs: int = 4
    toys: list[str] = msgspec.field(default_factory=list)


class Wish(msgspec.Struct):
    size: int = 1


async def read(body: Any, *sent: bytes, **headers: str) -> Any:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return await body.read(scope_of(headers=named), receiver(*sent))


async def test_a_body_is_a_value_of_the_routes_type() -> None:
    assert await read(JsonBody(Pet), b'{"name": "Rex",', b' "legs": 3}') == Pet("Rex", 3)


async def test_a_number_may_be_sent_as_a_text() -> None:
    assert await read(JsonBody(Pet), b'{"name": "Rex", "legs": "3"}') == Pet("Rex", 3)


@pytest.mark.parametrize(("sent", "code", "param"), [
    (b"", "missing_body", None),
    (b"null", "invalid_value", None),
    (b"[]", "invalid_value", None),
    (b"{}", "missing_required_parameter", "name"),
    (b'{"name": 7}', "invalid_value", "name"),
    (b'{"name": "a", "legs": "many"}', "invalid_value", "legs"),
    (b'{"name": "a", "toys": ["b", 7]}', "invalid_value", "toys[1]"),
    (b"{", "invalid_json", None),
    (b"{}x", "invalid_json", None),
    (b'{"name": "\xff"}', "invalid_json", None),
    (b'{"other": "\xff"}', "invalid_json", None),
    (b'{"other": NaN}', "invalid_json", None),
    (b'{"other": "\\ud800"}', "invalid_json", None),
    (b"[" * 3000, "invalid_json", None),
    (b'{"name": "a", "toys": [' + b"1," * 20_000 + b"1]}", "invalid_value", "toys"),
])  # fmt: skip
async def test_a_body_that_cannot_be_decoded_is_refused_by_its_field(sent: bytes, code: str, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await read(JsonBody(Pet), sent)
    assert (refused.value.status, refused.value.code, refused.value.param) == (400, code, param)


@pytest.mark.parametrize("sent", [b"", b"null", b"{}"])
async def test_a_body_that_is_not_required_is_all_defaults_without_one(sent: bytes) -> None:
    assert await read(JsonBody(Wish, is_required=False), sent) == Wish()


async def test_a_body_that_is_not_required_is_still_held_to_its_type() -> None:
    with pytest.raises(InvalidRequest, match=r"object \| null"):
        await read(JsonBody(Wish, is_required=False), b"[]")


async def test_a_body_that_announces_too_much_is_refused_before_it_is_read() -> None:
    async def never() -> Any:
        raise AssertionError

    scope = scope_of(headers=[("content-length", str(MAX_JSON_BYTES + 1))])
    with pytest.raises(ContentTooLarge):
        await JsonBody(Pet).read(scope, never)


async def test_a_body_that_grows_too_large_is_refused_while_it_arrives() -> None:
    left = [b" " * 2**19] * 9
    receive = receiver(*left)
    taken = 0

    async def counting() -> Any:
        nonlocal taken
        taken += 1
        return await receive()

    with pytest.raises(ContentTooLarge):
        await JsonBody(Pet).read(scope_of(), counting)
    assert taken == 3


async def test_a_length_that_is_no_number_is_refused() -> None:
    for length in ("x", "-1", "1.5"):
        with pytest.raises(InvalidRequest) as refused:
            await read(JsonBody(Pet), b"{}", content_length=length)
        assert refused.value.code == "invalid_request"


async def test_a_client_that_hangs_up_in_its_body_is_gone() -> None:
    with pytest.raises(ClientGoneError):
        await JsonBody(Pet).read(scope_of(), receiver(b'{"na', gone=True))


async def test_pieces_come_as_they_arrive() -> None:
    assert [piece async for piece in chunks(scope_of(), receiver(b"a", b"", b"b"), 2)] == [b"a", b"b"]


async def test_a_route_without_a_body_reads_none() -> None:
    receive = receiver(b"something")
    assert await NO_BODY.read(scope_of(), receive) is None
    assert (await receive())["body"] == b"something"


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=utf-8", "multipart/form-data; boundary=x"]
)
def test_a_body_of_a_kind_that_pages_must_ask_for_may_come(kind: str) -> None:
    check_content_type(scope_of(headers=[("content-length", "2"), ("content-type", kind)]))


@pytest.mark.parametrize(
    "kind", ["text/plain", "text/plain; a=application/json", "", "application/x-www-form-urlencoded"]
)
@pytest.mark.parametrize("framing", [("content-length", "2"), ("transfer-encoding", "chunked")])
def test_a_body_of_another_kind_is_refused(kind: str, framing: tuple[str, str]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_content_type(scope_of(headers=[framing, ("content-type", kind)]))
    assert (refused.value.code, refused.value.param) == ("invalid_content_type", "content-type")


@pytest.mark.parametrize("headers", [[], [("content-length", "0")], [("content-length", "0"), ("content-type", "x")]])
def test_without_a_body_no_kind_is_needed(headers: list[tuple[str, str]]) -> None:
    check_content_type(scope_of(headers=headers))
