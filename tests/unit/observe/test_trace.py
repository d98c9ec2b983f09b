"""Traces that go along, and spans that are recorded."""

from __future__ import annotations

import asyncio
import re
import tracemalloc
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

import pytest
import structlog

from antiphon.clock import VirtualClock
from antiphon.observe import trace
from antiphon.observe.trace import MemorySink, Span, leaf_span, recording, sent_with, span, traceparent, tracing

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


def test_a_trace_goes_on_under_a_span_of_its_own() -> None:
    with tracing(GIVEN):
        first, second = traceparent(), traceparent()
        assert structlog.contextvars.get_contextvars()["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    for header in (first, second):
        assert header.startswith("00-4bf92f3577b34da6a3ce929d0e0e4736-")
        assert header.endswith("-00")
    assert len({GIVEN, first, second}) == 3


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        f"{GIVEN}-more",
    ],
)
def test_what_is_no_trace_begins_a_new_one(header: str) -> None:
    with tracing(header):
        found = traceparent()
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", found)
    assert "4bf92f3577b34da6a3ce929d0e0e4736" not in found


def test_outside_of_any_trace_there_is_none() -> None:
    with tracing(GIVEN, session_id="s"):
        assert structlog.contextvars.get_contextvars()["session_id"] == "s"
    assert traceparent() == ""
    assert structlog.contextvars.get_contextvars() == {}


async def test_tasks_take_their_trace_along_and_do_not_mix() -> None:
    async def inside(header: str) -> str:
        with tracing(header):
            return await asyncio.create_task(after_a_while())

    async def after_a_while() -> str:
        await asyncio.sleep(0.001)
        return traceparent()[3:35]

    wanted = [f"{number:032x}" for number in range(1, 20)]
    assert await asyncio.gather(*(inside(f"00-{trace_id}-00f067aa0ba902b7-01") for trace_id in wanted)) == wanted


def test_the_header_is_found_among_others() -> None:
    assert sent_with([(b"host", b"x"), (b"traceparent", GIVEN.encode())]) == GIVEN
    assert sent_with([(b"host", b"x")]) == ""


# -- spans -------------------------------------------------------------------------------------------------------------
@pytest.fixture
def sink() -> Iterator[MemorySink]:
    """What is recorded during a test."""
    kept = MemorySink()
    with recording(kept):
        yield kept


def named(sink: MemorySink) -> dict[str, Span]:
    return {one.name: one for one in sink.spans}


def test_a_span_has_its_times_from_the_clock() -> None:
    clock, sink = VirtualClock(50.0, wall=1_000.0), MemorySink()
    with recording(sink, clock), span("work"):
        clock.advance(2.5)
    (only,) = sink.spans
    assert (only.start_ns, only.end_ns) == (1_000_000_000_000, 1_002_500_000_000)


def test_attributes_are_given_at_the_beginning_or_later(sink: MemorySink) -> None:
    with span("work", size=3) as open_span:
        open_span.set(outcome="done")
    (only,) = sink.spans
    assert (only.attributes, only.status, only.error) == ({"size": 3, "outcome": "done"}, "ok", "")


async def test_spans_nest_across_await_and_tasks_and_do_not_mix(sink: MemorySink) -> None:
    async def inner(name: str) -> None:
        await asyncio.sleep(0)
        with span(f"inner {name}"):
            await asyncio.sleep(0.001)

    async def outer(name: str) -> None:
        with tracing(""), span(f"outer {name}"):
            await asyncio.sleep(0)
            await asyncio.create_task(inner(name))

    await asyncio.gather(*(outer(str(number)) for number in range(5)))
    found = named(sink)
    for number in range(5):
        parent, child = found[f"outer {number}"], found[f"inner {number}"]
        assert (child.parent_id, child.trace_id) == (parent.span_id, parent.trace_id)
        assert parent.parent_id == ""
    assert len({one.trace_id for one in sink.spans}) == 5


def test_after_a_span_its_parent_is_the_parent_again(sink: MemorySink) -> None:
    with span("first"):
        with span("second"):
            pass
        with span("third"):
            pass
    found = named(sink)
    assert found["second"].parent_id == found["third"].parent_id == found["first"].span_id
    assert traceparent() == ""


def test_the_span_of_the_caller_is_the_parent_and_ours_goes_on_in_the_header(sink: MemorySink) -> None:
    with tracing("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), span("request"):
        header = traceparent()
    with tracing(header), span("job"):
        pass
    found = named(sink)
    assert found["request"].parent_id == "00f067aa0ba902b7"
    assert found["job"].parent_id == found["request"].span_id
    assert {one.trace_id for one in sink.spans} == {"4bf92f3577b34da6a3ce929d0e0e4736"}


def test_a_caller_that_asks_for_no_spans_gets_none(sink: MemorySink) -> None:
    with tracing(GIVEN), span("work"), leaf_span("call"):
        assert traceparent().endswith("-00")
    assert not sink.spans


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("the words of a user"), "error"),
        (asyncio.CancelledError(), "cancelled"),
        (GeneratorExit(), "cancelled"),
    ],
)
def test_a_span_says_how_it_ended_and_repeats_no_message(sink: MemorySink, error: BaseException, status: str) -> None:
    with pytest.raises(type(error)), span("work"):
        raise error
    (only,) = sink.spans
    assert (only.status, only.error) == (status, type(error).__name__)
    assert only.end_ns >= only.start_ns > 0
    assert "words" not in repr(only)


async def test_a_leaf_may_stay_open_in_a_generator_that_another_task_closes(sink: MemorySink) -> None:
    async def results() -> AsyncGenerator[int]:
        with leaf_span("call"):
            yield 1
            yield 2

    with span("outer"):
        async with aclosing(results()) as opened:
            async for _ in opened:
                with span("reader"):
                    pass
                break
            await asyncio.create_task(opened.aclose())
    found = named(sink)
    assert found["call"].parent_id == found["reader"].parent_id == found["outer"].span_id
    assert found["call"].status == "cancelled"


def test_without_a_sink_no_span_is_made() -> None:
    assert span("one", size=1) is span("two") is leaf_span("three")
    with span("warm", size=1) as nothing:
        nothing.set(outcome="done")
        nothing.fail(ValueError())
        assert traceparent() == ""
    tracemalloc.start()
    try:
        before = tracemalloc.take_snapshot()
        opened = [span("work", size=1) for _ in range(1000)]
        for one in opened:
            one.__enter__()
            one.__exit__(None, None, None)
        grown = tracemalloc.take_snapshot().compare_to(before, "filename")
    finally:
        tracemalloc.stop()
    assert sum(line.count_diff for line in grown if line.traceback[0].filename == trace.__file__) < 10


def test_recording_ends_with_its_block() -> None:
    outer, inner = MemorySink(), MemorySink()
    with recording(outer):
        with recording(inner), span("inside"):
            pass
        with span("outside"):
            pass
    with span("after"):
        pass
    assert (list(named(inner)), list(named(outer))) == (["inside"], ["outside"])


def test_memory_holds_the_last_spans_only() -> None:
    sink = MemorySink(most=2)
    with recording(sink):
        for number in range(3):
            with span(f"work {number}"):
                pass
    assert list(named(sink)) == ["work 1", "work 2"]
