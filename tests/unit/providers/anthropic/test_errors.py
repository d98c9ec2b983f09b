"""What the client of Anthropic raises by itself is told as one of our errors."""

from __future__ import annotations

import anthropic
import httpx2
import pytest

from antiphon.errors import AntiphonError, ProviderTimeout, ProviderUnavailable
from antiphon.providers.anthropic.errors import anthropic_errors

REQUEST = httpx2.Request("POST", "http://127.0.0.1:9/v1/messages")


@pytest.mark.parametrize(("error", "expected"), [
    (anthropic.APITimeoutError(REQUEST), ProviderTimeout),
    (httpx2.ReadTimeout("slow"), ProviderTimeout),
    (anthropic.APIConnectionError(request=REQUEST), ProviderUnavailable),
    (httpx2.RemoteProtocolError("gone"), ProviderUnavailable),
    (httpx2.StreamClosed(), ProviderUnavailable),
    (anthropic.AnthropicError("odd"), ProviderUnavailable),
], ids=lambda value: getattr(value, "__name__", type(value).__name__))  # fmt: skip
def test_a_failed_connection_is_slow_or_gone(error: Exception, expected: type[AntiphonError]) -> None:
    with pytest.raises(AntiphonError) as caught, anthropic_errors("anthropic"):
        raise error
    assert type(caught.value) is expected
    assert caught.value.__cause__ is error
