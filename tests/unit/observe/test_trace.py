from __future__ import annotations

import asyncio
import re

import pytest
import structlog

from antiphon.observe.trace import sent_with, traceparent, tracing

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
