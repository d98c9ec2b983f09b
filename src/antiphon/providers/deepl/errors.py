"""Maps errors of the official DeepL client to ours."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager

from deepl import AuthorizationException, DeepLException, QuotaExceededException

from antiphon.errors import ProviderRejected, ProviderUnavailable, Unsupported

_LANGUAGE = re.compile(r"\b(?:target|source)_lang\b")
"""Names the field in messages of the service, and of the client's own check."""


@contextmanager
def deepl_errors() -> Generator[None]:
    """Translate errors of the client in the block."""
    try:
        yield
    except QuotaExceededException as exc:
        raise ProviderRejected("the quota of deepl is used up", code="quota_exceeded") from exc
    except AuthorizationException as exc:
        raise ProviderRejected("deepl refuses the key: check ANTIPHON_DEEPL_API_KEY") from exc
    except DeepLException as exc:
        if exc.http_status_code == 401:
            raise ProviderRejected("deepl refuses the key: check ANTIPHON_DEEPL_API_KEY") from exc
        if exc.http_status_code in (None, 400) and _LANGUAGE.search(str(exc)):
            raise Unsupported("deepl does not support these languages", detail=str(exc)) from exc
        status = exc.http_status_code or "nothing"
        raise ProviderRejected(f"deepl answered {status}", code="translation_failed") from exc
    except (ValueError, TypeError, LookupError, AttributeError) as exc:
        raise ProviderUnavailable("deepl sent an answer that is not a translation") from exc
