"""Settings of access: keys that protect nothing are refused."""

from __future__ import annotations

import pytest

from antiphon.app.settings import load
from antiphon.app.settings.server import ServerSettings
from antiphon.errors import InvalidRequest

KEY = "k" * 16


def test_keys_are_separated_by_commas_and_hidden() -> None:
    settings = load(ServerSettings, api_keys=f"{KEY}, {KEY[1:]}j,")
    assert [key.get_secret_value() for key in settings.api_keys] == [KEY, f"{KEY[1:]}j"]
    assert KEY not in repr(settings)


@pytest.mark.parametrize(("keys", "reason"), [
    ("k" * 15, "shorter than 16 characters"),
    (f"{KEY},short", "shorter than 16 characters"),
    ("ek_0123456789abcdef", "begins with 'ek_'"),
])  # fmt: skip
def test_a_weak_key_is_refused_and_not_repeated(keys: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason) as refused:
        load(ServerSettings, api_keys=keys)
    assert refused.value.param == "ANTIPHON_API_KEYS"
    assert keys not in refused.value.message
