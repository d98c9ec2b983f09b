"""What travels between a gateway and its workers: every kind knows its queue, and a new one needs no list."""

from __future__ import annotations

import msgspec
import pytest

from antiphon.bus.codec import decode_entry, decode_job, encode_entry, encode_job
from antiphon.entities.chat import ChatRequest
from antiphon.wire.entries import PipeEntry
from antiphon.wire.jobs import (
    Job,
    Persist,
    Record,
    Respond,
    Score,
    Speak,
    Transcribe,
    Translate,
    Work,
    kind_of,
)


def test_each_kind_of_work_has_its_queue() -> None:
    voice = (Transcribe(b"", 1), Respond(ChatRequest(())), Speak("x"), Translate("x", "de"), Score(b"", 1))
    works = (*voice, Persist(), Record())
    assert [work.queue for work in works] == [
        "transcribe",
        "respond",
        "speak",
        "translate",
        "score",
        "persist",
        "record",
    ]
    assert [kind_of(work.queue) for work in works] == [type(work) for work in works]


def test_no_two_kinds_share_a_queue_or_a_tag() -> None:
    for kinds in (Work.kinds, PipeEntry.kinds):
        tags = [kind.__struct_config__.tag for kind in kinds]
        assert len(set(tags)) == len(tags)
    queues = [kind.queue for kind in Work.kinds]
    assert len(set(queues)) == len(queues)


def test_a_second_of_audio_allows_a_second_more() -> None:
    assert Transcribe(bytes(96_000), 16_000).allowed_s(10.0) == 13.0
    assert Speak("a" * 1000).allowed_s(10.0) == 10.0


def test_a_kind_that_comes_later_travels_as_the_others_do() -> None:
    speak = Job("job_1", "speak", Speak("x"), "out")
    assert decode_job(encode_job(speak)) == speak

    class Whistle(Work, frozen=True, tag="whistle"):
        queue = "whistle"
        group = "whistlers"
        tune: str

    class Whistled(PipeEntry, frozen=True, tag="whistled"):
        is_last = True

    try:
        job = Job("job_2", "whistle", Whistle("a tune"), "out")
        assert decode_job(encode_job(job)) == job
        assert decode_job(encode_job(speak)) == speak
        assert decode_entry(encode_entry(Whistled("job_2"))) == Whistled("job_2")
        assert kind_of("whistle") is Whistle
    finally:
        Work.kinds.remove(Whistle)
        PipeEntry.kinds.remove(Whistled)


def test_what_is_no_kind_of_work_is_refused() -> None:
    packed = encode_job(Job("job_1", "speak", Speak("x"), "out")).replace(b"\xa5speak", b"\xa5shout")
    with pytest.raises(msgspec.ValidationError):
        decode_job(packed)
