"""How often a job is delivered."""

from __future__ import annotations

from antiphon.bus.limits import QueueLimit
from antiphon.wire.jobs import Persist, Record, Speak


def test_jobs_have_so_many_attempts_but_rows_have_any_number() -> None:
    limit = QueueLimit(lease_s=1.0, attempts=3)
    assert limit.attempts_of(Speak) == 3
    assert limit.attempts_of(Record) == limit.attempts_of(Persist) > 10**9
