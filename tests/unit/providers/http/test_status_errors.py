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
from antiphon.providers.http.status_errors import broken_off, error_of_status


@pytest.mark.parametrize(("status", "expected"), [
    (400, ProviderRejected), (401, ProviderRejected), (404, ProviderRejected), (422, ProviderRejected),
    (408, ProviderTimeout), (504, ProviderTimeout),
    (409, ProviderBusy), (429, ProviderBusy), (503, ProviderBusy), (529, ProviderBusy),
    (500, ProviderUnavailable), (502, ProviderUnavailable), (520, ProviderUnavailable),
])  # fmt: skip
def test_each_status_has_its_error(status: int, expected: type[AntiphonError]) -> None:
    found = error_of_status("engine", status, "host db-7 says why", headers={}, code="model_not_found")
    assert type(found) is expected
    assert found.message == f"engine answered {status}"
    assert str(found) == f"engine answered {status}: host db-7 says why"
    assert (found.code == "model_not_found") == (expected is ProviderRejected)


@pytest.mark.parametrize("value", ["-1", "inf", "nan", "", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_wait_that_is_no_number_of_seconds_is_none(value: str) -> None:
    assert type(error_of_status("engine", 429, "why", headers={"retry-after": value})) is ProviderBusy


def test_a_wait_in_seconds_is_kept() -> None:
    found = error_of_status("engine", 429, "why", headers={"retry-after": "0.5"})
    assert isinstance(found, RateLimited)
    assert found.retry_after_s == 0.5


@pytest.mark.parametrize("code", ["Host db-7.corp", "acct_4711_db_7", "sk_0123456789", "a" * 65, "", None])
def test_a_code_that_is_no_known_word_is_left_out(code: str | None) -> None:
    assert error_of_status("engine", 400, "", headers={}, code=code).code == "provider_rejected"


def test_a_long_text_is_not_cut_off_within_a_key() -> None:
    found = error_of_status("engine", 400, "said, " * 160 + "0123456789abcdef" * 4, headers={})
    assert str(found) == "engine answered 400: " + "said, " * 160


def test_the_reason_of_a_failed_connection_is_its_cause_and_for_the_log() -> None:
    error = ConnectionError("Connection error.")
    assert str(broken_off("engine", error)).endswith("broke off: Connection error.")
    error.__cause__ = OSError("no route to 10.0.0.7")
    assert str(broken_off("engine", error)).endswith("broke off: no route to 10.0.0.7")
    assert broken_off("engine", error).message == "engine cannot be reached or broke off"
    error.__cause__ = EOFError()
    assert str(broken_off("engine", error)).endswith("broke off: EOFError")
