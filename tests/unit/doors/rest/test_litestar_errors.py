"""What the framework says goes out in our words, and a fault of ours tells no details."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from litestar.exceptions import (
    ClientException,
    HTTPException,
    ImproperlyConfiguredException,
    MethodNotAllowedException,
    NotFoundException,
    SerializationException,
    ValidationException,
)
from structlog.testing import capture_logs

from antiphon.doors.rest.litestar_errors import answer_fault, answer_http, answer_undecodable
from antiphon.observe.metrics import Metrics


def request(metrics: Metrics) -> Any:
    """As much of a request as an error needs."""
    app = SimpleNamespace(state=SimpleNamespace(services=SimpleNamespace(metrics=metrics)))
    return SimpleNamespace(
        method="POST",
        url=SimpleNamespace(path="/v1/audio/speech"),
        app=app,
        state={"request_id": "req_1"},
        scope={"state": {"request_id": "req_1"}},
    )


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


NOT_JSON = caused(ClientException("trailing characters"), SerializationException("no"))
NO_BODY = caused(ValidationException("x"), msgspec.ValidationError("Object missing required field `data`"))
NO_VOICE = caused(
    ValidationException("x"), msgspec.ValidationError("Object missing required field `voice` - at `$.data`")
)


@pytest.mark.parametrize(("error", "status", "code"), [
    (NotFoundException(), 404, "unknown_url"),
    (MethodNotAllowedException(), 405, "method_not_allowed"),
    (HTTPException(status_code=413), 413, "content_too_large"),
    (NOT_JSON, 400, "invalid_json"),
    (NO_BODY, 400, "missing_body"),
    (NO_VOICE, 400, "missing_required_parameter"),
    (ValidationException("odd"), 400, "invalid_request"),
    (HTTPException("odd", status_code=418), 400, "invalid_request"),
    (ImproperlyConfiguredException("our fault"), 500, "internal_error"),
])  # fmt: skip
def test_an_exception_of_the_framework_is_one_of_our_errors(error: Any, status: int, code: str) -> None:
    metrics = Metrics()
    with capture_logs() as logs:
        answer = answer_http(request(metrics), error)
    told = json.loads(answer.content)["error"]
    assert (answer.status_code, told["code"]) == (status, code)
    assert set(told) == {"message", "type", "param", "code"}
    assert "our fault" not in told["message"]
    assert bool(logs) == (status >= 500)
    labels = {"area": "speech", "type": told["type"]}
    assert metrics.registry.get_sample_value("errors_total", labels) == 1.0


def test_a_field_that_is_missing_is_named() -> None:
    told = json.loads(answer_http(request(Metrics()), NO_VOICE).content)["error"]  # type: ignore[arg-type]
    assert told["param"] == "voice"


@pytest.mark.parametrize(("error", "word"), [
    (RecursionError(), "nested too deep"),
    (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"), "not UTF-8"),
])  # fmt: skip
def test_json_that_cannot_be_decoded_is_the_clients_mistake(error: Exception, word: str) -> None:
    answer = answer_undecodable(request(Metrics()), error)
    told = json.loads(answer.content)["error"]
    assert (answer.status_code, told["code"]) == (400, "invalid_json")
    assert word in told["message"]


def test_a_fault_is_logged_whole_and_told_without_details() -> None:
    with capture_logs() as logs:
        answer = answer_fault(request(Metrics()), ValueError("a secret"))
    assert answer.status_code == 500
    assert b"a secret" not in answer.content
    assert isinstance(logs[0]["exc_info"], ValueError)
