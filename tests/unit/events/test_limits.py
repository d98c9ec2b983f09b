"""Events that no log takes."""

from __future__ import annotations

import pytest

from antiphon.entities.events import Event
from antiphon.errors import InvalidRequest, Overloaded
from antiphon.events.limits import check, full
from antiphon.ports.event_logs import MOST_BYTES


def test_an_event_without_an_id_or_with_a_large_payload_is_refused_by_field() -> None:
    for event, param in (
        (Event("t", "", "a", b"{}", 0.0), "event_id"),
        (Event("t", "e", "a", bytes(MOST_BYTES + 1), 0.0), "payload"),
    ):
        with pytest.raises(InvalidRequest) as caught:
            check([Event("t", "good", "a", b"{}", 0.0), event])
        assert caught.value.param == param
    check([Event("t", "e", "a", bytes(MOST_BYTES), 0.0)])


def test_a_full_log_is_an_overload_that_names_it() -> None:
    error = full("events.ltm", 7)
    assert isinstance(error, Overloaded)
    assert "events.ltm" in error.message
    assert "7" in error.message
