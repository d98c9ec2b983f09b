from __future__ import annotations

import pytest

from antiphon.app.settings import settings_class
from antiphon.app.variables import unknown_variables


def test_what_a_setting_reads_is_known_in_upper_and_lower_case() -> None:
    names = [f"ANTIPHON_{name.upper()}" for name in settings_class().model_fields]
    names += ["ANTIPHON_CONFIG", "ANTIPHON_API_KEY", "ANTIPHON_WS_MAX_CONNECTIONS", "ANTIPHON_ARTIFACT_CAPTURE"]
    assert not list(unknown_variables([*names, *map(str.lower, names)]))


def test_names_without_the_prefix_are_the_business_of_others() -> None:
    assert not list(unknown_variables(["PATH", "TTS_PROVIDR", "ANTIPHONTTS", "MY_ANTIPHON_TTS"]))


@pytest.mark.parametrize(("name", "nearest"), [
    ("ANTIPHON_LLN", "ANTIPHON_LLM"),
    ("ANTIPHON_APIKEYS", "ANTIPHON_API_KEYS"),
    ("ANTIPHON_RELTIME_VOICE", "ANTIPHON_REALTIME_VOICE"),
    ("antiphon_data_dri", "ANTIPHON_DATA_DIR"),
    ("ANTIPHON_", ""),
    ("ANTIPHON_QQQQ", ""),
])  # fmt: skip
def test_a_misspelt_name_comes_with_the_nearest_one(name: str, nearest: str) -> None:
    assert list(unknown_variables(["ANTIPHON_TTS", name])) == [(name, nearest)]
