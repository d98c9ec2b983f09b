from __future__ import annotations

import pytest

from antiphon.errors import Unsupported
from antiphon.text.language_tags import parts, unsupported


@pytest.mark.parametrize(
    ("tag", "language", "region"),
    [
        ("pt-BR", "pt", "br"),
        ("EN", "en", ""),
        (" de-AT\n", "de", "at"),
        ("zh-Hant-TW", "zh", "hant-tw"),
        ("pt_BR", "pt_br", ""),
        ("", "", ""),
    ],
)
def test_a_tag_has_a_language_and_perhaps_a_region_in_lower_case(tag: str, language: str, region: str) -> None:
    assert parts(tag) == (language, region)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("en", "deepl does not translate from en to tlh"),
        (None, "deepl does not translate from a detected language to tlh"),
        ("", "deepl does not translate from a detected language to tlh"),
    ],
)
def test_the_error_of_a_pair_names_the_engine_and_both_languages(source: str | None, message: str) -> None:
    error = unsupported("deepl", source, "tlh")
    assert isinstance(error, Unsupported)
    assert error.message == message
