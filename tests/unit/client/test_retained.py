"""Events that a client sends again after a loss: those that the server has not processed, in order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from antiphon.client.retained import Retained

EVENTS = st.lists(st.one_of(st.binary(min_size=1, max_size=9), st.just("event")), max_size=30)


def filled(events: list[bytes | str]) -> Retained:
    retained = Retained()
    for at, event in enumerate(events):
        if isinstance(event, bytes):
            retained.add_audio(event, float(at) / 10)
        else:
            retained.add(event, float(at) / 10)
    return retained


@given(EVENTS, st.integers(0, 30), st.integers(0, 300))
def test_later_events_and_audio_are_sent_again_in_order_and_no_others(
    events: list[bytes | str], number: int, audio_start: int
) -> None:
    wanted: list[bytes | str] = []
    numbered = position = 0
    for event in events:
        if isinstance(event, bytes):
            rest = event[max(0, audio_start - position) :]
            position += len(event)
            wanted += [rest] if rest else []
        else:
            numbered += 1
            wanted += [event] if numbered > number else []
    assert [sent.audio or sent.frame for sent in filled(events).after(number, audio_start)] == wanted


def test_events_older_than_half_a_minute_are_dropped() -> None:
    retained = Retained(retained_s=30)
    retained.add_audio(b"old", 0.0)
    retained.add_audio(b"new", 31.0)
    assert [sent.audio for sent in retained.after(0, 0)] == [b"new"]
    assert retained.first_audio(0) == 3


def test_while_disconnected_no_event_is_dropped() -> None:
    retained = Retained(retained_s=30)
    retained.is_frozen = True
    retained.add("event", 0.0)
    retained.add_audio(b"new", 60.0)
    assert [sent.audio or sent.frame for sent in retained.after(0, 0)] == ["event", b"new"]


def test_audio_is_renumbered_as_the_server_counts_it() -> None:
    retained = filled([b"abcd", "event", b"efgh"])
    start = retained.first_audio(2)
    assert start == 2
    retained.rebase(start, 0)
    assert [(sent.start, sent.audio) for sent in retained.after(1, 0)] == [(0, b"cd"), (2, b"efgh")]
    retained.add_audio(b"ij", 1.0)
    assert [sent.audio for sent in retained.after(1, 6)] == [b"ij"]


def test_without_audio_the_next_append_begins_where_the_server_is() -> None:
    retained = filled(["event"])
    retained.rebase(retained.first_audio(480), 480)
    retained.add_audio(b"ab", 1.0)
    assert [(sent.start, sent.audio) for sent in retained.after(1, 480)] == [(480, b"ab")]
