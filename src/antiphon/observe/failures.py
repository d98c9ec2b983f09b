"""Log fields of errors."""

from __future__ import annotations

from antiphon.errors import AntiphonError


def error_fields(error: BaseException) -> dict[str, str]:
    """Return the log fields of ``error``: its class and its message.

    Foreign text goes to ``pii.detail``: services may repeat user content in their errors.
    """
    kind = type(error).__name__
    if not isinstance(error, AntiphonError):
        return {"error": kind, "reason": "unexpected", "pii.detail": str(error)}
    detail = {"pii.detail": error.detail} if error.detail else {}
    return {"error": kind, "reason": error.message, **detail}
