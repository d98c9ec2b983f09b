"""How far events have come at several endpoints."""

from __future__ import annotations

from dataclasses import replace

import pytest

from antiphon.entities.events import Event
from antiphon.webhooks.endpoints import Endpoint
from antiphon.webhooks.progress import Memory, Progress

A, B = Endpoint("https://a/", "1:a"), Endpoint("https://b/", "2:b")
EVENT = Event("t", "evt_1", "session.created", b"{}", 0.0)


def test_an_endpoint_that_has_an_event_does_not_get_it_again() -> None:
    progress = Progress()
    assert progress.due([A, B], 100.0) == [A, B]
    progress.took(A)
    failure = progress.failure(B)
    failure.count, failure.due_at, failure.reason = 1, 130.0, "answered 503"
    assert progress.due([A, B], 128.0) == []
    assert progress.next_due_at([A, B]) == 130.0
    assert progress.due([A, B], 129.5) == [B]
    assert progress.reason([A, B]) == "2:b answered 503"
    progress.took(B)
    assert progress.next_due_at([A, B]) is None
    assert progress.reason([A, B]) == ""


def test_an_endpoint_that_is_gone_is_not_tried_again_until_the_event_begins_again() -> None:
    progress = Progress()
    progress.took(B)
    progress.gone[A.name] = "answered 410"
    assert progress.next_due_at([A, B]) is None
    assert progress.reason([A, B]) == "1:a answered 410"
    progress.begin_again()
    assert progress.due([A, B], 0.0) == [A]


def test_failures_before_a_restart_count() -> None:
    progress = Memory(5).progress(EVENT, attempt=4)
    assert progress.failure(A).count == 3


def test_the_memory_knows_the_newest_events_of_each_tenant() -> None:
    memory = Memory(2)
    first = memory.progress(EVENT, 1)
    assert memory.progress(replace(EVENT, tenant="other"), 1) is not first
    assert memory.progress(EVENT, 9) is first
    memory.progress(replace(EVENT, event_id="evt_2"), 1)
    assert len(memory) == 2
    assert memory.progress(EVENT, 1) is first


@pytest.mark.parametrize("times", [1, 2])
def test_forgetting_is_idempotent(times: int) -> None:
    memory = Memory(2)
    first = memory.progress(EVENT, 1)
    for _ in range(times):
        memory.forget(EVENT)
    assert len(memory) == 0
    assert memory.progress(EVENT, 1) is not first
