"""The stub translation marks the text and changes nothing else."""

from __future__ import annotations

import pytest

from antiphon.providers.stub.translation import StubTranslation


async def test_the_target_language_stands_before_the_text() -> None:
    assert await StubTranslation().translate("hello", source=None, target="es") == "[es] hello"


async def test_empty_text_stays_empty() -> None:
    assert await StubTranslation().translate("", source="en", target="es") == ""


@pytest.mark.parametrize("source", ["en", None])
def test_it_has_every_pair(source: str | None) -> None:
    assert StubTranslation().has_pair(source, "tlh")
