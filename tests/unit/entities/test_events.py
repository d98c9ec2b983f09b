"""Which log an event goes to."""

from __future__ import annotations

import pytest

from antiphon.entities.events import ANALYTICS, GROUPS, LTM, Event, log_of


@pytest.mark.parametrize(("kind", "log"), [
    ("LtmWriteRequested", LTM),
    ("ltm.write", LTM),
    ("LTM", LTM),
    ("AnalyticsChatStats", ANALYTICS),
    ("session.created", ANALYTICS),
    ("altm", ANALYTICS),
    ("", ANALYTICS),
])  # fmt: skip
def test_the_beginning_of_its_type_chooses_the_log(kind: str, log: str) -> None:
    assert log_of(kind) == log
    assert Event("t", "e", kind, b"{}", 0.0).log == log
    assert GROUPS[log_of(kind)]
