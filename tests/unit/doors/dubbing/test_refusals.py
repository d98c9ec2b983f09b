"""Errors of the dubbing door, in the form of each kind of caller."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import UNSET

from antiphon.doors.dubbing.refusals import answer_error, no_stream, refused
from antiphon.errors import AntiphonError, Forbidden, InvalidRequest, Unauthenticated
from tests.unit.doors.asgi_call import Answered
from tests.unit.doors.dubbing.stage import scope


def test_a_refused_connection_carries_the_event_of_the_error() -> None:
    error = refused("AUTH_FAILED", "no key").error_args
    assert error["message"] == "no key"
    assert (error["data"].code, error["data"].severity, error["data"].retryable) == ("AUTH_FAILED", "fatal", False)


def test_every_refusal_has_an_id_of_its_own() -> None:
    assert (
        refused("RATE_LIMIT", "m").error_args["data"].error_id != refused("RATE_LIMIT", "m").error_args["data"].error_id
    )


@pytest.mark.parametrize(("error", "status"), [(Unauthenticated("m"), 401), (Forbidden("m"), 403)])
async def test_a_request_with_a_wrong_key_is_answered_as_a_refused_connection(
    error: AntiphonError, status: int
) -> None:
    answered = Answered()
    await answer_error(scope(), answered.send, error)
    body = json.loads(answered.body)
    assert (answered.status, body["message"], body["data"]["code"]) == (status, "m", "AUTH_FAILED")
    assert body["error"]["message"] == "m"


async def test_any_other_error_of_a_request_has_the_usual_body_alone() -> None:
    answered = Answered()
    await answer_error(scope(), answered.send, InvalidRequest("m", param="sid"))
    assert (answered.status, answered.error["param"]) == (400, "sid")
    assert json.loads(answered.body).keys() == {"error"}


async def test_a_websocket_is_closed_before_it_is_accepted() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await answer_error(scope(kind="websocket"), send, Unauthenticated("m"))
    assert sent
    assert all(one["type"] != "websocket.accept" for one in sent)


@pytest.mark.parametrize(
    ("stream_id", "fragment_id", "told"),
    [
        ("s", "f", ("s", "f", "There is no stream of this id on this connection: send stream:init first.")),
        (None, None, (UNSET, UNSET, "No stream has begun: send stream:init first.")),
        (5, [], (UNSET, UNSET, "No stream has begun: send stream:init first.")),
        ("", "f", (UNSET, "f", "No stream has begun: send stream:init first.")),
    ],
)
def test_an_event_without_a_stream_is_answered_with_the_ids_it_named(
    stream_id: object, fragment_id: object, told: tuple[object, object, str]
) -> None:
    error = no_stream(stream_id, fragment_id)
    assert (error.code, (error.stream_id, error.fragment_id, error.message)) == ("STREAM_NOT_FOUND", told)
