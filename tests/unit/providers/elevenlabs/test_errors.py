from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("elevenlabs")

import httpx
from elevenlabs.core.api_error import ApiError

from antiphon.errors import (
    AntiphonError,
    ProviderBusy,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
)
from antiphon.providers.elevenlabs.errors import elevenlabs_errors


def told(error: Exception) -> AntiphonError:
    with pytest.raises(AntiphonError) as raised, elevenlabs_errors("elevenlabs"):
        raise error
    assert raised.value.__cause__ is error
    return raised.value


def refused(status: int | None, detail: Any = None, headers: dict[str, str] | None = None) -> ApiError:
    return ApiError(status_code=status, headers=headers, body={"detail": detail})


def of_code(status: int, code: str, headers: dict[str, str] | None = None) -> ApiError:
    return refused(status, {"status": code, "message": "as scripted"}, headers)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (httpx.ReadTimeout("slow"), ProviderTimeout),
        (httpx.ConnectError("no route"), ProviderUnavailable),
        (httpx.RemoteProtocolError("gone"), ProviderUnavailable),
        (httpx.StreamClosed(), ProviderUnavailable),
        (of_code(401, "invalid_api_key"), ProviderRejected),
        (of_code(404, "voice_not_found"), ProviderRejected),
        (refused(400), ProviderRejected),
        (of_code(401, "quota_exceeded"), ProviderRejected),
        (of_code(429, "quota_exceeded"), ProviderRejected),
        (of_code(429, "too_many_concurrent_requests"), RateLimited),
        (of_code(429, "rate_limit_exceeded"), RateLimited),
        (of_code(429, "system_busy"), ProviderBusy),
        (refused(408), ProviderTimeout),
        (refused(500), ProviderUnavailable),
        (refused(503), ProviderBusy),
        (refused(None), ProviderRejected),
    ],
    ids=str,
)
def test_each_error_of_the_client_is_one_of_ours(error: Exception, expected: type[AntiphonError]) -> None:
    assert type(told(error)) is expected


@pytest.mark.parametrize(("headers", "wait_s"), [(None, 1.0), ({}, 1.0), ({"retry-after": "7"}, 7.0)])
def test_a_limit_of_the_account_is_waited_for(headers: dict[str, str] | None, wait_s: float) -> None:
    error = told(of_code(429, "rate_limit_exceeded", headers))
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == wait_s


@pytest.mark.parametrize(
    ("detail", "reason"),
    [
        ({"status": "voice_not_found", "message": "No such voice."}, "No such voice."),
        ({"code": "voice_not_found"}, "voice_not_found"),
        ("Not Found", "Not Found"),
        ([{"msg": "Field required"}, {"msg": "Too long"}, {}, 5], "Field required; Too long"),
        ({}, "no reason given"),
        (None, "no reason given"),
        (5, "no reason given"),
    ],
)
def test_the_reason_is_read_from_every_form_of_detail(detail: Any, reason: str) -> None:
    assert told(refused(400, detail)).detail == reason


@pytest.mark.parametrize("body", [None, "<html>", ["detail"]])
def test_a_body_of_another_form_gives_no_reason(body: Any) -> None:
    assert told(ApiError(status_code=400, body=body)).detail == "no reason given"


def test_all_else_passes() -> None:
    with pytest.raises(OSError, match="disk"), elevenlabs_errors("elevenlabs"):
        raise OSError("disk")
