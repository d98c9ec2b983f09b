"""Who may dub: keys of requests and of CONNECT packets, client secrets, pages of other origins."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.doors.access.authentication import OPEN, key_id
from antiphon.doors.dubbing.admission import Admission
from antiphon.errors import AntiphonError, Forbidden, InvalidRequest, Unauthenticated
from tests.unit.doors.dubbing.stage import KEY, access, scope

HOST = (b"host", b"localhost")
BEARER = (HOST, (b"authorization", f"Bearer {KEY}".encode()))
WRONG = (HOST, (b"authorization", b"Bearer sk-wrong-0123456789"))
FOREIGN = (HOST, (b"origin", b"https://elsewhere.example"))


def admission(*keys: str, needs_key: bool = True, polling: bool = True) -> Admission:
    return Admission(access(*keys)[0], needs_key=needs_key, polling=polling)


@pytest.mark.parametrize(
    ("kind", "headers", "needs_key", "refusal"),
    [
        ("http", BEARER, True, None),
        ("http", (HOST,), True, None),
        ("http", (HOST,), False, None),
        ("http", WRONG, True, Unauthenticated),
        ("http", WRONG, False, Unauthenticated),
        ("http", FOREIGN, False, Forbidden),
        ("websocket", WRONG, True, None),
        ("websocket", (HOST,), True, None),
        ("websocket", FOREIGN, False, Forbidden),
    ],
)
def test_a_request_is_refused_only_if_no_later_key_can_mend_it(
    kind: str, headers: Any, needs_key: bool, refusal: type[AntiphonError] | None
) -> None:
    asked = scope(kind=kind, headers=headers)
    if refusal is None:
        admission(KEY, needs_key=needs_key).check(asked)
    else:
        with pytest.raises(refusal):
            admission(KEY, needs_key=needs_key).check(asked)


def test_an_open_server_refuses_foreign_pages_and_names_at_once() -> None:
    one = admission()
    one.check(scope())
    for headers in (FOREIGN, ((b"host", b"rebound.example"),)):
        with pytest.raises(Forbidden):
            one.check(scope(headers=headers))


def test_polling_that_is_disabled_is_refused_with_the_field() -> None:
    with pytest.raises(InvalidRequest) as refused:
        admission(polling=False).check(scope())
    assert refused.value.param == "transport"
    admission(polling=False).check(scope(kind="websocket"))


@pytest.mark.parametrize(("headers", "is_known"), [(BEARER, True), (WRONG, False), ((HOST,), False)])
def test_only_a_request_with_a_valid_key_is_known(headers: Any, is_known: bool) -> None:
    assert admission(KEY).is_known(scope(headers=headers)) is is_known


def test_the_key_of_the_connect_packet_takes_precedence() -> None:
    other = "sk-two-0123456789abc"
    one = admission(KEY, other)
    assert one.caller(scope(headers=BEARER), {"token": other}).key_id == key_id(other)
    assert one.caller(scope(headers=WRONG), {"token": KEY}).key_id == key_id(KEY)
    with pytest.raises(Unauthenticated):
        one.caller(scope(headers=BEARER), {"token": "sk-wrong-0123456789"})


@pytest.mark.parametrize("auth", [None, {}, [], "token", {"token": ""}, {"token": 7}, {"token": None}, {"key": KEY}])
def test_a_connect_packet_without_a_token_leaves_the_key_of_the_request(auth: Any) -> None:
    assert admission(KEY).caller(scope(headers=BEARER), auth).key_id == key_id(KEY)
    with pytest.raises(Unauthenticated):
        admission(KEY).caller(scope(), auth)


def test_a_token_with_half_a_character_is_a_wrong_key_and_no_fault() -> None:
    with pytest.raises(Unauthenticated):
        admission(KEY).caller(scope(), {"token": "\ud800"})


def test_where_no_key_is_needed_callers_without_one_are_one_account() -> None:
    one = admission(KEY, needs_key=False)
    assert one.caller(scope(), None).key_id == OPEN
    assert one.caller(scope(), {"token": KEY}).key_id == key_id(KEY)
    with pytest.raises(Unauthenticated):
        one.caller(scope(), {"token": "sk-wrong-0123456789"})
