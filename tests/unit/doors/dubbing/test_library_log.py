"""Faults of the Socket.IO library are logged: without what clients sent, and at most once a minute for each place."""

from __future__ import annotations

import logging
from typing import Any

import socketio
from structlog.testing import capture_logs

from antiphon.clock import VirtualClock
from antiphon.doors.dubbing.library_log import library_log


def fail(log: logging.Logger, text: str) -> None:
    try:
        dict[str, int]()[text]
    except KeyError:
        log.exception("message handler error")


def test_a_fault_is_logged_with_its_kind_and_place_and_without_its_text() -> None:
    with capture_logs() as lines:
        fail(library_log(VirtualClock()), "what a client sent")
    [line] = lines
    assert (line["event"], line["log_level"], line["error"]) == ("socket.io event failed", "warning", "KeyError")
    assert line["at"][-1].endswith(" fail")
    assert "what a client sent" not in str(lines)


def test_a_fault_that_comes_with_every_packet_is_logged_once_a_minute_with_how_many_there_were() -> None:
    clock = VirtualClock()
    log = library_log(clock)
    with capture_logs() as lines:
        for _ in range(100):
            fail(log, "again")
        clock.advance(61)
        fail(log, "again")
    assert [line["untold"] for line in lines] == [0, 99]


def test_what_is_no_exception_is_not_logged() -> None:
    log = library_log(VirtualClock())
    with capture_logs() as lines:
        log.error("Invalid session %s", "of a client")
        log.warning("Cannot send to sid %s", "x")
        log.info("received packet %s", "of a client")
    assert lines == []


async def test_a_handler_that_fails_is_logged_by_the_library() -> None:
    log = library_log(VirtualClock())
    server: Any = socketio.AsyncServer(async_mode="asgi", async_handlers=False, logger=log, engineio_logger=log)

    async def broken(*_: Any) -> None:
        raise ZeroDivisionError

    with capture_logs() as lines:
        server.eio.handlers["message"] = broken
        await server.eio._trigger_event("message", "sid", "text", run_async=False)
    assert [line["error"] for line in lines] == ["ZeroDivisionError"]
    assert lines[0]["at"][-1].endswith(" broken")
