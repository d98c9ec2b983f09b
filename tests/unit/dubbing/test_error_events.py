"""The event of an error."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from antiphon.dubbing.codes import NATURES
from antiphon.dubbing.error_events import error_event


@pytest.mark.parametrize("code", sorted(NATURES))
def test_an_error_has_the_nature_of_its_code(code: str) -> None:
    told = error_event(code, "m", "e1")
    assert (told.code, told.retryable, told.severity) == (code, NATURES[code].retryable, NATURES[code].severity)


def test_what_has_no_value_is_left_out() -> None:
    told = error_event("INVALID_CONFIG", "m", "e1", param=None, expected=0)
    assert told.details == told.metadata == {"expected": 0}
    assert (told.stream_id, told.fragment_id) == (UNSET, UNSET)
