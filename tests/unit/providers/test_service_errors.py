"""A status of a service is told as one of our errors, whoever the service is."""

from __future__ import annotations

import pytest

from antiphon.errors import (
    AntiphonError,
    ProviderBusy,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
)
from antiphon.providers.service_errors import error_of_status, reason


@pytest.mark.parametrize(("status", "expected"), [
    (400, ProviderRejected), (401, ProviderRejected), (404, ProviderRejected), (422, ProviderRejected),
    (408, ProviderTimeout), (504, ProviderTimeout),
    (409, ProviderBusy), (429, ProviderBusy), (503, ProviderBusy), (529, ProviderBusy),
    (500, ProviderUnavailable), (502, ProviderUnavailable), (520, ProviderUnavailable),
])  # fmt: skip
def test_each_status_has_its_error(status: int, expected: type[AntiphonError]) -> None:
    found = error_of_status(status, "why", headers={}, code="some_code")
    assert type(found) is expected
    assert found.message == "why"
    assert (found.code == "some_code") == (expected is ProviderRejected)


@pytest.mark.parametrize("value", ["-1", "inf", "nan", "", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_wait_that_is_no_number_of_seconds_is_none(value: str) -> None:
    assert type(error_of_status(429, "why", headers={"retry-after": value})) is ProviderBusy


def test_a_wait_in_seconds_is_kept() -> None:
    found = error_of_status(429, "why", headers={"retry-after": "0.5"})
    assert isinstance(found, RateLimited)
    assert found.retry_after_s == 0.5


def test_the_reason_of_a_failed_connection_is_its_cause() -> None:
    error = ConnectionError("Connection error.")
    assert reason(error) == "Connection error."
    error.__cause__ = OSError("no route to host")
    assert reason(error) == "no route to host"
    error.__cause__ = EOFError()
    assert reason(error) == "EOFError"
