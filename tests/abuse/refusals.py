"""What is said of a file whose claims do not hold."""

from __future__ import annotations

import io

from antiphon.audio.claims import check_claims
from antiphon.audio.sniff import container_of
from antiphon.errors import InvalidRequest


def refusal(data: bytes, container: str | None = None) -> str:
    """Return why a file is refused, empty if it is not."""
    error: InvalidRequest | None = None
    try:
        check_claims(io.BytesIO(data), container or container_of(data) or "")
    except InvalidRequest as exc:
        error = exc
    assert error is None or (error.param, error.code) == ("file", "invalid_audio")
    return error.message if error else ""
