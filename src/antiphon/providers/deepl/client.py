"""The official DeepL client without retries, with a deadline, and with the headers of refusals (``Retry-After``)."""

from __future__ import annotations

from typing import Any

import requests
from deepl import DeepLClient
from deepl.http_client import HttpClient
from requests.adapters import HTTPAdapter

from antiphon.errors import AntiphonError, ProviderTimeout, RateLimited
from antiphon.providers.http.status_errors import broken_off, error_of_status

NAME = "deepl"


class OneTryClient(DeepLClient):
    """A `DeepLClient` that sends each request once.

    The client's own switch for retries is a module variable, shared by all users in this process, and its errors have
    no headers.
    """

    def __init__(self, key: str, *, server_url: str | None, timeout_s: float, calls: int) -> None:
        """``timeout_s`` bounds connecting and each wait for data; ``calls`` connections are kept."""
        super().__init__(key, server_url=server_url, send_platform_info=False)
        self._client.close()
        self._client = _OneTry(timeout_s, calls)


class _OneTry(HttpClient):
    """Sends each request once."""

    def __init__(self, timeout_s: float, calls: int) -> None:
        super().__init__(send_platform_info=False)
        self._timeout_s = timeout_s
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=calls))

    def request_with_backoff(
        self,
        method: str,
        url: str,
        data: dict[str, Any] | None,
        json: dict[str, Any] | None,
        headers: dict[str, str],
        stream: bool = False,
        **kwargs: Any,
    ) -> tuple[int, str | requests.Response]:
        """Return status and text of the answer.

        Raises our own errors for timeouts and for refusals that are known by their status alone.
        """
        request = self._prepare_request(method, url, data, json, headers, **kwargs)
        try:
            response = self._session.send(request, timeout=self._timeout_s, allow_redirects=False)
        except requests.Timeout as exc:
            raise ProviderTimeout(f"{NAME} gave no answer in time") from exc
        except requests.RequestException as exc:
            raise broken_off(NAME, exc) from exc
        status = response.status_code
        if status in {408, 429} or status >= 500:
            raise _refused(status, dict(response.headers.lower_items()))
        response.encoding = "utf-8"
        return status, response.text


def _refused(status: int, headers: dict[str, str]) -> AntiphonError:
    """Return the error without the body, which may be any page of a proxy."""
    error = error_of_status(NAME, status, "", headers=headers)
    if status == 429 and not isinstance(error, RateLimited):
        return RateLimited(error.message)
    return error
