"""Events that were sent, as they are saved."""

from __future__ import annotations

from antiphon.conversation.effects import SendAudio
from antiphon.doors.realtime.sent_events import PIECES, SentEvent, events_since, pack_events, position_of
from antiphon.wire.realtime_server import ResponseOutputAudioDelta
from antiphon.wire.realtime_session import AudioPcm


def delta(number: int) -> SendAudio:
    event = ResponseOutputAudioDelta(
        event_id=f"event_s{number:07d}", response_id="resp", item_id="item", output_index=0, content_index=0, delta=""
    )
    return SendAudio(event, 3 * PIECES + number, AudioPcm())


def test_batches_come_back_in_order_each_event_once_and_speech_as_the_place_where_it_lies() -> None:
    said = [SentEvent(1, b"one"), SentEvent(2, audio=delta(2)), SentEvent(3, b"three")]
    batches = [pack_events(said[:2]), pack_events(said[1:])]
    assert events_since(batches, 0) == said
    assert events_since(batches, 2) == said[2:]
    assert said[1].audio is not None
    assert position_of(said[1].audio.ref) == 3


def test_nothing_is_told_behind_a_gap() -> None:
    batches = [pack_events([SentEvent(1, b"one")]), pack_events([SentEvent(5)]), pack_events([SentEvent(6, b"six")])]
    assert events_since(batches, 0) is None
    assert events_since(batches, 5) == [SentEvent(6, b"six")]


def test_an_empty_batch_takes_no_room() -> None:
    assert pack_events([]) == b""
