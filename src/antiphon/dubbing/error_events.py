"""The ``error`` event of dubbing."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from antiphon.dubbing.codes import NATURES
from antiphon.text.quoting import handle
from antiphon.wire.dubbing_server import DubbingError


def error_event(
    code: str, message: str, error_id: str, stream_id: str = "", fragment_id: str = "", **details: Any
) -> DubbingError:
    """Return an ``error`` event; ``details`` that are None are omitted."""
    nature = NATURES[code]
    facts = {name: value for name, value in details.items() if value is not None}
    return DubbingError(
        code=code,
        message=message,
        retryable=nature.retryable,
        severity=nature.severity,
        error_id=error_id,
        stream_id=handle(stream_id) or UNSET,
        fragment_id=handle(fragment_id) or UNSET,
        details=facts,
        metadata=facts,
    )
