"""Memory for what was received: counted over all connections, and kept in order for one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.doors.server.frames import LongText
from antiphon.doors.server.received import Inbox, ReceivedBytes


class Holder:
    """A connection that lets go of everything when it is ended."""

    def __init__(self, received: ReceivedBytes) -> None:
        self.held_bytes = 0
        self.failed: list[int] = []
        self._received = received

    def fail(self, code: int, reason: str) -> None:
        assert reason
        self.failed.append(code)
        self._received.update(self, 0)


def holders(limit: int, number: int = 3) -> tuple[ReceivedBytes, list[Holder]]:
    received = ReceivedBytes(limit)
    return received, [Holder(received) for _ in range(number)]


def test_up_to_the_limit_no_connection_is_ended() -> None:
    received, (one, two, _) = holders(100)
    received.update(one, 60)
    received.update(two, 40)
    assert received.total == 100
    assert not one.failed + two.failed


def test_one_byte_more_ends_the_connection_that_has_held_the_longest() -> None:
    received, (one, two, _) = holders(100)
    received.update(one, 60)
    received.update(two, 40)
    received.update(two, 41)
    assert (one.failed, two.failed) == ([1013], [])
    assert received.total == 41


def test_as_many_are_ended_as_it_takes() -> None:
    received, (one, two, three) = holders(100)
    received.update(one, 30)
    received.update(two, 30)
    received.update(three, 90)
    assert (one.failed, two.failed, three.failed) == ([1013], [1013], [])


def test_a_connection_that_alone_holds_too_much_ends_itself() -> None:
    received, (one, _, _) = holders(100)
    received.update(one, 101)
    assert (one.failed, received.total) == ([1013], 0)


def test_a_connection_that_was_empty_meanwhile_is_the_youngest_again() -> None:
    received, (one, two, three) = holders(100)
    received.update(one, 40)
    received.update(two, 40)
    received.update(one, 0)
    received.update(one, 40)
    received.update(three, 30)
    assert (one.failed, two.failed) == ([], [1013])


def test_growing_or_shrinking_keeps_the_place_in_line() -> None:
    received, (one, two, three) = holders(100)
    received.update(one, 40)
    received.update(two, 40)
    received.update(one, 20)
    received.update(three, 50)
    assert (one.failed, two.failed) == ([1013], [])


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 120)), max_size=30))
def test_the_total_is_the_sum_and_never_above_the_limit(steps: list[tuple[int, int]]) -> None:
    received, many = holders(100)
    for number, held_bytes in steps:
        received.update(many[number], held_bytes)
        assert received.total == sum(holder.held_bytes for holder in many) <= 100


def message(text: Any) -> dict[str, Any]:
    return {"type": "websocket.receive", "text": text}


async def test_messages_come_in_order_with_their_weight() -> None:
    inbox = Inbox()
    inbox.put_nowait(message("a"), 3)
    inbox.put_nowait(message("b"), 4)
    assert (len(inbox), inbox.bytes, inbox.taken_bytes) == (2, 7, 0)
    assert await inbox.get() == message("a")
    assert (len(inbox), inbox.bytes, inbox.taken_bytes) == (1, 4, 3)
    inbox.done()
    assert inbox.taken_bytes == 0
    assert await inbox.get() == message("b")
    assert (len(inbox), inbox.bytes, inbox.taken_bytes) == (0, 0, 4)


async def test_a_reader_waits_for_the_next_message() -> None:
    inbox = Inbox()
    getting = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    assert not getting.done()
    inbox.put_nowait(message("a"), 1)
    assert await getting == message("a")


async def test_a_message_behind_a_cancelled_reader_is_not_lost() -> None:
    inbox = Inbox()
    getting = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    getting.cancel()
    inbox.put_nowait(message("a"), 1)
    with pytest.raises(asyncio.CancelledError):
        await getting
    assert await inbox.get() == message("a")


async def test_clearing_leaves_the_end_of_the_connection_and_drops_the_text_in_hand() -> None:
    inbox, text, waiting = Inbox(), LongText(bytearray(b"long")), LongText(bytearray(b"longer"))
    inbox.put_nowait(message(text), 10)
    inbox.put_nowait(message(waiting), 20)
    inbox.put_nowait({"type": "websocket.disconnect", "code": 1006})
    await inbox.get()
    inbox.clear()
    assert len(text) == 0
    assert (len(inbox), inbox.bytes, inbox.taken_bytes) == (1, 0, 0)
    assert (await inbox.get())["code"] == 1006
