"""An error is one HTTP answer of one shape, with the headers that its kind asks for."""

from __future__ import annotations

import json

import pytest

from antiphon.doors.errors import (
    ContentTooLarge,
    InternalError,
    MethodNotAllowed,
    RequestTimedOut,
    RouteNotFound,
    error_answer,
    error_object,
    invalid_of,
)
from antiphon.errors import (
    AntiphonError,
    Forbidden,
    InvalidRequest,
    NotFound,
    Overloaded,
    ProviderTimeout,
    RateLimited,
    Unauthenticated,
)


@pytest.mark.parametrize(("error", "status", "kind", "code"), [
    (InvalidRequest("no"), 400, "invalid_request_error", "invalid_value"),
    (Unauthenticated("no"), 401, "authentication_error", "invalid_api_key"),
    (Forbidden("no"), 403, "permission_error", "forbidden"),
    (NotFound("no"), 404, "not_found_error", "not_found"),
    (RouteNotFound("no"), 404, "invalid_request_error", "unknown_url"),
    (MethodNotAllowed("no", "GET"), 405, "invalid_request_error", "method_not_allowed"),
    (RequestTimedOut("no"), 408, "invalid_request_error", "request_timeout"),
    (ContentTooLarge("no"), 413, "invalid_request_error", "content_too_large"),
    (InternalError("no"), 500, "api_error", "internal_error"),
    (Overloaded("no", code="full"), 503, "overloaded_error", "full"),
    (AntiphonError("no"), 500, "api_error", None),
])  # fmt: skip
def test_an_error_is_answered_with_its_status_and_all_four_fields(
    error: AntiphonError, status: int, kind: str, code: str | None
) -> None:
    answer = error_answer(error)
    told = {"message": "no", "type": kind, "param": None, "code": code}
    assert (answer.status, json.loads(answer.body)) == (status, {"error": told})
    assert error_object(error) == {"error": told}


def test_the_answer_names_the_field_and_hides_the_detail() -> None:
    body = error_answer(InvalidRequest("no", param="session.tools[0]", detail="a secret")).body
    assert json.loads(body)["error"]["param"] == "session.tools[0]"
    assert b"a secret" not in body


def test_further_fields_stand_next_to_the_error() -> None:
    body = json.loads(error_answer(NotFound("no"), hint="look elsewhere").body)
    assert (body["hint"], body["error"]["code"]) == ("look elsewhere", "not_found")


@pytest.mark.parametrize(("error", "name", "value"), [
    (Unauthenticated("no"), "www-authenticate", 'Bearer realm="antiphon"'),
    (MethodNotAllowed("no", "GET, HEAD"), "allow", "GET, HEAD"),
    (RateLimited("no", retry_after_s=12.3), "retry-after", "13"),
    (RateLimited("no", retry_after_s=0.0), "retry-after", "1"),
    (Overloaded("no"), "retry-after", "1"),
    (ProviderTimeout("no"), "retry-after", "1"),
])  # fmt: skip
def test_a_kind_of_error_has_its_header(error: AntiphonError, name: str, value: str) -> None:
    headers = [(key.decode(), text.decode()) for key, text in error_answer(error).headers]
    assert [text for key, text in headers if key == name] == [value]


def test_a_permanent_error_has_no_retry_after() -> None:
    names = {key for error in (NotFound("no"), InternalError("no")) for key, _ in error_answer(error).headers}
    assert names == {b"content-type", b"content-length", b"x-content-type-options", b"cache-control"}


def test_the_length_is_that_of_the_body_in_bytes() -> None:
    answer = error_answer(NotFound("Größe 日本"))
    assert dict(answer.headers)[b"content-length"] == str(len(answer.body)).encode()
    assert len(answer.body) > len(answer.body.decode())


@pytest.mark.parametrize(("error", "within", "code", "param", "message"), [
    ("Object missing required field `name`", "", "missing_required_parameter", "name",
     "Missing required parameter: 'name'."),
    ("Object missing required field `name` - at `$.pet`", "", "missing_required_parameter", "pet.name",
     "Missing required parameter: 'pet.name'."),
    ("Expected `int`, got `str` - at `$.legs`", "session", "invalid_value", "session.legs",
     "Invalid 'session.legs': Expected `int`, got `str`."),
    ("Expected `object`, got `array`", "session", "invalid_value", "session",
     "Invalid 'event': Expected `object`, got `array`."),
    ("Expected `object`, got `array`", "", "invalid_value", None,
     "Invalid 'event': Expected `object`, got `array`."),
])  # fmt: skip
def test_a_decoding_error_is_told_with_the_path_of_the_field(
    error: str, within: str, code: str, param: str | None, message: str
) -> None:
    invalid = invalid_of(error, within=within)
    assert (invalid.code, invalid.param, invalid.message) == (code, param, message)
