"""How a log tells an error."""

from __future__ import annotations

from antiphon.errors import AntiphonError


def error_fields(error: BaseException) -> dict[str, str]:
    """Return the fields of a log line about ``error``: its kind, and its reason in words of ours.

    What others said of it stands under ``pii.detail``: services repeat in their errors what they were sent.
    """
    kind = type(error).__name__
    if not isinstance(error, AntiphonError):
        return {"error": kind, "reason": "unexpected", "pii.detail": str(error)}
    detail = {"pii.detail": error.detail} if error.detail else {}
    return {"error": kind, "reason": error.message, **detail}
