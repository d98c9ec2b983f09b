"""The body of a webhook."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from antiphon.entities.events import Event
from antiphon.errors import InvalidRequest
from antiphon.webhooks.body import body_of

EVENT = Event("acme", "evt_1", "session.closed", b'{"type": "session.closed", "seconds": 1.5}', 1_700_000_000.9, "s", 7)


def test_the_body_has_the_payload_without_its_type() -> None:
    assert json.loads(body_of(EVENT)) == {
        "id": "evt_1",
        "object": "event",
        "type": "session.closed",
        "created_at": 1_700_000_000,
        "tenant_id": "acme",
        "session_id": "s",
        "sequence": 7,
        "data": {"seconds": 1.5},
    }


def test_an_event_of_no_session_says_so() -> None:
    assert json.loads(body_of(replace(EVENT, session_id="", session_sequence=0)))["session_id"] is None


@pytest.mark.parametrize("payload", [b"", b"x", b"[]", b"null", b"{", b'{"a": "\xff"}', b'{"a":' * 50_000, b"{}x"])
def test_a_payload_that_is_no_object_is_refused_and_not_repeated(payload: bytes) -> None:
    with pytest.raises(InvalidRequest, match="not a JSON object") as refused:
        body_of(replace(EVENT, payload=payload))
    assert str(refused.value) == "the payload of an event is not a JSON object"


@pytest.mark.parametrize("name", ["", "a b", "a\r\nx: y", "a\x00", "ü", "x" * 257])
def test_an_id_that_fits_into_no_header_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match="does not fit into a header"):
        body_of(replace(EVENT, event_id=name))


@pytest.mark.parametrize(("created_at", "seen"), [
    (-5.5, -5), (1e12, 1_000_000_000_000), (float("nan"), 0), (float("inf"), 0),
])  # fmt: skip
def test_every_time_has_a_number(created_at: float, seen: int) -> None:
    assert json.loads(body_of(replace(EVENT, created_at=created_at)))["created_at"] == seen
