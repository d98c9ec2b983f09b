from __future__ import annotations

import httpx2
import openai
import pytest

from antiphon.errors import (
    AntiphonError,
    ProviderBusy,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
)
from antiphon.providers.openai.errors import openai_errors

REQUEST = httpx2.Request("POST", "http://127.0.0.1:9/v1/chat/completions")


def refused(status: int, code: str | None = None, **headers: str) -> openai.APIStatusError:
    response = httpx2.Response(
        status, request=REQUEST, headers={name.replace("_", "-"): headers[name] for name in headers}
    )
    return openai.APIStatusError("as scripted", response=response, body={"code": code})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (openai.APITimeoutError(REQUEST), ProviderTimeout),
        (httpx2.ReadTimeout("slow"), ProviderTimeout),
        (openai.APIConnectionError(request=REQUEST), ProviderUnavailable),
        (httpx2.RemoteProtocolError("gone"), ProviderUnavailable),
        (httpx2.StreamClosed(), ProviderUnavailable),
        (openai.OpenAIError("odd"), ProviderUnavailable),
        (refused(400), ProviderRejected),
        (refused(429), ProviderBusy),
        (refused(429, "insufficient_quota", retry_after="7"), ProviderRejected),
        (refused(429, retry_after="7"), RateLimited),
        (refused(500), ProviderUnavailable),
        (refused(503), ProviderBusy),
        (refused(504), ProviderTimeout),
    ],
    ids=repr,
)
def test_each_error_of_the_client_is_one_of_ours(error: Exception, expected: type[AntiphonError]) -> None:
    with pytest.raises(AntiphonError) as raised, openai_errors("groq"):
        raise error
    assert type(raised.value) is expected
    assert raised.value.message.startswith("groq ")
    assert raised.value.__cause__ is error


def test_a_refusal_has_the_code_and_the_reason_of_the_service() -> None:
    with pytest.raises(ProviderRejected) as raised, openai_errors("openai"):
        raise refused(404, "model_not_found")
    assert (raised.value.code, raised.value.detail) == ("model_not_found", "as scripted")


def test_all_else_passes() -> None:
    with pytest.raises(OSError, match="disk"), openai_errors("openai"):
        raise OSError("disk")
