from __future__ import annotations

import pytest

from antiphon.text.languages import base_language


@pytest.mark.parametrize(
    ("code", "base"), [("pt", "pt"), ("pt-BR", "pt"), ("PT_br", "pt"), ("zh-Hant-TW", "zh"), ("EN", "en"), ("", "")]
)
def test_the_region_and_the_case_of_a_code_make_no_other_language(code: str, base: str) -> None:
    assert base_language(code) == base
