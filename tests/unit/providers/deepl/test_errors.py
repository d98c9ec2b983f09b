from __future__ import annotations

from typing import Any

import pytest
from deepl import AuthorizationException, DeepLException, QuotaExceededException

from antiphon.errors import AntiphonError, ProviderRejected, ProviderUnavailable, Unsupported
from antiphon.providers.deepl.errors import deepl_errors


def failed(message: str, status: int | None = None) -> DeepLException:
    return DeepLException(message, http_status_code=status)


@pytest.mark.parametrize(
    ("error", "expected", "code"),
    [
        (QuotaExceededException("Quota exceeded", http_status_code=456), ProviderRejected, "quota_exceeded"),
        (AuthorizationException("Authorization failure", http_status_code=403), ProviderRejected, "provider_rejected"),
        (failed("Unauthorized", 401), ProviderRejected, "provider_rejected"),
        (failed("Value for 'target_lang' not supported.", 400), Unsupported, "unsupported"),
        (failed("source_lang must not be empty"), Unsupported, "unsupported"),
        (failed("Value for 'my_target_lang' not supported.", 400), ProviderRejected, "translation_failed"),
        (failed("target_lang", 404), ProviderRejected, "translation_failed"),
        (failed("Bad request", 400), ProviderRejected, "translation_failed"),
        (ValueError("no JSON"), ProviderUnavailable, "provider_unavailable"),
        (TypeError("no text"), ProviderUnavailable, "provider_unavailable"),
        (KeyError("translations"), ProviderUnavailable, "provider_unavailable"),
        (IndexError("empty"), ProviderUnavailable, "provider_unavailable"),
        (AttributeError("text"), ProviderUnavailable, "provider_unavailable"),
    ],
    ids=repr,
)
def test_each_error_of_the_client_is_one_of_ours(error: Exception, expected: type[AntiphonError], code: str) -> None:
    with pytest.raises(AntiphonError) as raised, deepl_errors():
        raise error
    assert (type(raised.value), raised.value.code) == (expected, code)
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("error", [AuthorizationException("no"), failed("no", 401)])
def test_a_refused_key_names_its_setting(error: Exception) -> None:
    with pytest.raises(ProviderRejected, match="check ANTIPHON_DEEPL_API_KEY"), deepl_errors():
        raise error


@pytest.mark.parametrize(("status", "told"), [(404, "deepl answered 404"), (None, "deepl answered nothing")])
def test_other_errors_name_the_status_and_not_the_text(status: int | None, told: str) -> None:
    with pytest.raises(ProviderRejected) as raised, deepl_errors():
        raise failed("'hello' is not allowed", status)
    assert raised.value.message == told


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ProviderUnavailable("gone"), OSError("disk")])
def test_all_else_passes(error: Any) -> None:
    with pytest.raises(type(error)) as raised, deepl_errors():
        raise error
    assert raised.value is error
