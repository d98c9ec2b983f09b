"""Settings of logs."""

from __future__ import annotations

import pytest

from antiphon.app.settings import load
from antiphon.app.settings.logs import LogSettings
from antiphon.errors import InvalidRequest
from antiphon.observe.logs import AREAS


def test_levels_by_area_are_kept_as_written() -> None:
    assert load(LogSettings, log_levels="gateway=debug, worker=error").log_levels == "gateway=debug, worker=error"


@pytest.mark.parametrize(("levels", "reason"), [
    ("gateway", "write levels as area=level"),
    ("=debug", "write levels as area=level"),
    ("gateway=loud", "'loud' is not a log level"),
])  # fmt: skip
def test_levels_that_make_no_sense_are_refused_by_their_variable(levels: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=f"ANTIPHON_LOG_LEVELS: {reason}") as refused:
        load(LogSettings, log_levels=levels)
    assert refused.value.param == "ANTIPHON_LOG_LEVELS"


def test_the_description_names_every_area() -> None:
    description = LogSettings.model_fields["log_levels"].description or ""
    assert all(area in description for area in AREAS)
