"""Snapshots, jobs and entries of the former release mean the same to this one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import redis

from antiphon.bus.codec import decode_entry, decode_job, encode_entry, encode_job
from antiphon.bus.redis.jobs import all_dead_letters
from antiphon.connections.redis import RedisConnection
from antiphon.conversation import snapshot
from antiphon.conversation.effects import Send
from antiphon.conversation.inputs import AnswerMade, CallMade
from antiphon.conversation.machine import Conversation
from antiphon.conversation.state import State
from antiphon.doors.realtime.checkpoint import jobs_of
from antiphon.doors.realtime.sent_events import events_since
from antiphon.entities.dubbing import FragmentMetadata
from antiphon.wire.entries import (
    AnswerDone,
    CallReady,
    FragmentDubbed,
    JobFailed,
    PipeEntry,
    ScoreReady,
    SpeechDone,
    TranscriptReady,
    TranslationReady,
)
from antiphon.wire.jobs import (
    Persist,
    Work,
)
from antiphon.wire.realtime_items import FunctionCall, FunctionCallOutput, Message
from antiphon.wire.realtime_server import ResponseDone
from antiphon.wire.realtime_session import TranscriptionSession
from tests.former_release import restore, written


def state_of(name: str) -> State:
    return snapshot.join(*written().session(name))


def test_a_conversation_has_its_items_in_order_and_its_configuration() -> None:
    facts, state = written().facts["conversation"], state_of("conversation")
    assert [str(record.item.id) for record in state.records] == facts["items"]
    assert state.session.instructions == "Be very brief."
    assert [tool.name for tool in state.session.tools] == ["lookup"]
    assert [type(record.item) for record in state.records].count(Message) == 9
    (call,) = (record.item for record in state.records if isinstance(record.item, FunctionCall))
    (output,) = (record.item for record in state.records if isinstance(record.item, FunctionCallOutput))
    assert call.arguments == facts["call"]["arguments"]
    assert (output.call_id, output.output) == (call.call_id, '{"sky": "grey"}')


def test_a_spoken_turn_has_its_transcript_and_a_cut_answer_its_end() -> None:
    records = {str(record.item.id): record for record in state_of("conversation").records}
    (spoken,) = (record for record in records.values() if record.input_ticks)
    assert (spoken.hearing, spoken.heard) == ("done", "what is the time")
    cut = records[written().facts["conversation"]["cut"]]
    assert cut.playout is not None
    assert cut.playout.cut is not None
    assert isinstance(cut.item, Message)
    assert cut.item.status == "incomplete"


@pytest.mark.parametrize("name", ["conversation", "transcription", "answering", "unheard", "unanswered", "unscored"])
def test_every_session_loads_and_its_events_and_jobs_do(name: str) -> None:
    state, session_id = state_of(name), written().facts[name]["session"]
    assert str(state.session.id) == session_id
    assert isinstance(state.session, TranscriptionSession) == (name == "transcription")
    key = f"t:default:session:{{{session_id}}}"
    events = events_since([fields[b"events"] for _, fields in written().stream(f"{key}:events").entries], 0)
    assert events, "each was sent something"
    for job in jobs_of(written().hashes(key)[key][b"jobs"]):
        assert job.session_id == session_id


def test_an_answer_in_progress_continues_with_all_its_items() -> None:
    made = written().snapshot
    for state in (snapshot.join(made.frame, made.items), snapshot.load(made.whole)):
        (response,) = state.responses.values()
        assert [(part.kind, part.open) for part in response.outputs] == [
            ("message", True),
            ("function_call", True),
            ("function_call", True),
        ]
        talk = Conversation(state)
        talk.receive(CallMade(made.job, 1, "call_b", "lookup", "}"), 1.8e9)
        effects = talk.receive(AnswerMade(made.job, "tool_calls", 1, 2, 0), 1.8e9)
        sent = [effect.event for effect in effects if isinstance(effect, Send)]
        (done,) = (event for event in sent if isinstance(event, ResponseDone))
        calls = [item for item in done.response.output if isinstance(item, FunctionCall)]
        assert [(call.call_id, call.arguments) for call in calls] == [("call_a", "{}"), ("call_b", "{}")]


def test_a_job_of_every_kind_decodes() -> None:
    jobs = [decode_job(data) for data in written().jobs()]
    kinds = {type(job.work).__struct_config__.tag for job in jobs}
    assert kinds == {"transcribe", "respond", "speak", "translate", "score", "dub", "persist"}
    assert {job.queue for job in jobs} == kinds
    assert all(type(job.work) in Work.kinds for job in jobs)
    rows = [row for job in jobs if isinstance(job.work, Persist) for row in job.work.items]
    assert {row.item_id for row in rows} >= set(written().facts["conversation"]["items"])


def test_entries_decode() -> None:
    entries = {entry: decode_entry(fields[b"entry"]) for entry, fields in _pipe("t:default:golden:{entries}")}
    kinds = "segment transcript text call answer_done sentence sentences_done audio sentence_spoken speech_done"
    tags = {type(entry).__struct_config__.tag for entry in entries.values()}
    assert tags == {*kinds.split(), "translation", "score", "dubbed", "failed"}
    assert TranscriptReady("e1", "hello", "en", 1.0, (), "stub") in entries.values()
    assert CallReady("e1", 0, "call_1", "lookup", "{}") in entries.values()
    assert AnswerDone("e1", "stop", 3, 4, 0) in entries.values()
    assert SpeechDone("e1", "stub") in entries.values()
    assert TranslationReady("e1", "hola", "stub") in entries.values()
    assert ScoreReady("e1", 0.75) in entries.values()
    failed = JobFailed("e1", "provider_unavailable", "x", "message", True, 1.0, "ProviderUnavailable", None)
    assert failed in entries.values()


def test_a_fragment_has_its_metadata_only_if_they_are_complete() -> None:
    entries = [decode_entry(fields[b"entry"]) for _, fields in _pipe("t:default:golden:{entries}")]
    whole, *others = (entry for entry in entries if isinstance(entry, FragmentDubbed))
    assert isinstance(whole.metadata, FragmentMetadata)
    assert (whole.transcript, whole.translated_text, whole.lineage) == ("a", "b", {"a": "b"})
    assert [(entry.status, entry.metadata) for entry in others] == [("failed", None), ("failed", None)]


def test_results_that_were_not_read_decode() -> None:
    for name in ("answering", "conversation", "transcription"):
        pipe = _pipe(f"t:default:session:{{{written().facts[name]['session']}}}")
        assert pipe
        for _, fields in pipe:
            assert isinstance(decode_entry(fields[b"entry"]), PipeEntry)


# -- the other direction: the former release ignores unknown fields, and needs its own ---------------------------------
NOT_WRITTEN = {"open", "epoch", "sessions"}
"""Fields of the former release that keep their defaults: items of a response are open, jobs have no epoch, and no rows
of sessions are written."""


@pytest.mark.parametrize("name", ["conversation", "transcription", "answering", "unheard", "unanswered", "unscored"])
def test_a_snapshot_is_written_as_the_former_release_wrote_it(name: str) -> None:
    frame, items = written().session(name)
    state = snapshot.join(frame, items)
    assert not list(missing(frame, snapshot.dump_frame(state)))
    for record in state.records:
        assert not list(missing(items[str(record.item.id)], snapshot.dump_item(record)))


def test_jobs_and_entries_are_written_as_the_former_release_wrote_them() -> None:
    for data in written().jobs():
        assert not list(missing(data, encode_job(decode_job(data))))
    for _, fields in _pipe("t:default:golden:{entries}"):
        entry = decode_entry(fields[b"entry"])
        former = msgspec.msgpack.decode(fields[b"entry"])
        if isinstance(entry, FragmentDubbed):
            former = {field: value for field, value in former.items() if value}  # defaults are omitted
            if entry.metadata is None:
                former.pop("metadata", None)  # incomplete ones are not sent any more
        assert not list(missing(msgspec.msgpack.encode(former), encode_entry(entry)))


def test_metadata_of_a_fragment_are_never_null() -> None:
    packed = encode_entry(FragmentDubbed(job_id="e1", status="failed"))
    assert msgspec.msgpack.decode(packed) == {"type": "dubbed", "job_id": "e1", "status": "failed"}


def missing(former: bytes, present: bytes) -> Iterator[str]:
    """Yield the places where ``present`` does not say what ``former`` says; it may say more."""
    return _missing(msgspec.msgpack.decode(former), msgspec.msgpack.decode(present), "$")


def _missing(former: Any, present: Any, at: str) -> Iterator[str]:
    if isinstance(former, dict) and isinstance(present, dict):
        for field, value in former.items():
            if field not in NOT_WRITTEN:
                yield from _missing(value, present.get(field, "no such field"), f"{at}.{field}")
    elif isinstance(former, list) and isinstance(present, list) and len(former) == len(present):
        for index, (one, other) in enumerate(zip(former, present, strict=True)):
            yield from _missing(one, other, f"{at}[{index}]")
    elif former != present:
        yield f"{at}: {former!r} became {present!r}"


def _pipe(name: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
    return written().stream(f"{name}:pipe").entries


async def test_dead_letters_are_listed(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
        restore(client)
    connection = RedisConnection(redis_url)
    try:
        (letter,) = await all_dead_letters(connection)
    finally:
        await connection.close()
    assert (letter.job_id, letter.queue, letter.attempt, letter.reason) == ("golden-dead", "translate", 1, "no engine")
    assert letter.at > 1.7e9
