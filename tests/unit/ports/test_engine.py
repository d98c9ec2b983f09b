"""The context of engines: its section of the settings, and the variable that an error names."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from antiphon.ports.engine import EngineContext
from antiphon.ports.settings import Section


class Mine(Section):
    """Settings of an engine."""

    mine_speed: float = 1.0
    mine_model: str = "small"


def test_a_section_takes_its_own_settings_and_leaves_those_of_others() -> None:
    context = EngineContext(Path(), settings={"mine_speed": 2.0, "yours_speed": 9.0})
    assert context.section(Mine) == Mine(mine_speed=2.0)


def test_a_value_that_a_section_refuses_is_named() -> None:
    with pytest.raises(ValidationError, match="mine_speed"):
        EngineContext(Path(), settings={"mine_speed": "fast"}).section(Mine)


@pytest.mark.parametrize(
    ("setting", "variable"),
    [("openai_api_key", "OPENAI_API_KEY"), ("mine_speed", "ANTIPHON_MINE_SPEED")],
)
def test_an_error_names_the_variable_that_was_read(setting: str, variable: str) -> None:
    context = EngineContext(Path(), variables={"openai_api_key": "OPENAI_API_KEY"})
    assert context.variable(setting) == variable


def test_a_failure_may_be_reported_where_nobody_counts() -> None:
    counted: list[str] = []
    EngineContext(Path()).on_failure()
    EngineContext(Path(), on_failure=lambda: counted.append("failed")).on_failure()
    assert counted == ["failed"]
