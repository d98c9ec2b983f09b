from __future__ import annotations

import pytest

from antiphon.entities.capabilities import Capabilities


@pytest.mark.parametrize(
    ("languages", "wanted", "speaks"),
    [
        (("en", "pt"), "pt-BR", True),
        (("pt-br",), "PT", True),
        (("en",), "enm", False),
        (("en",), "es", False),
        ((), "es", True),
    ],
)
def test_an_engine_speaks_a_language_whatever_its_region_and_any_where_it_lists_none(
    languages: tuple[str, ...], wanted: str, speaks: bool
) -> None:
    assert Capabilities("x", languages=languages).speaks(wanted) is speaks
