"""An error in a log: our own message, and foreign text as personal data."""

from __future__ import annotations

import pytest

from antiphon.errors import AntiphonError, ProviderBusy
from antiphon.observe.failures import error_fields


@pytest.mark.parametrize(("error", "fields"), [
    (ProviderBusy("busy"), {"error": "ProviderBusy", "reason": "busy"}),
    (ProviderBusy("busy", detail="I am Ann"), {"error": "ProviderBusy", "reason": "busy", "pii.detail": "I am Ann"}),
    (AntiphonError("odd"), {"error": "AntiphonError", "reason": "odd"}),
    (KeyError("ann"), {"error": "KeyError", "reason": "unexpected", "pii.detail": "'ann'"}),
    (TimeoutError(), {"error": "TimeoutError", "reason": "unexpected", "pii.detail": ""}),
])  # fmt: skip
def test_foreign_text_stands_under_pii_only(error: BaseException, fields: dict[str, str]) -> None:
    assert error_fields(error) == fields
