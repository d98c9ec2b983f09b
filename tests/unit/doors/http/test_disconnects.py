"""Work ends with its caller, and what fails at once fails before an answer has begun."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from antiphon.doors.http.disconnects import ClientGoneError, attended, begun, disconnected
from antiphon.errors import ProviderUnavailable
from antiphon.wire.entries import AudioReady, PipeEntry, SpeechDone


class Caller:
    """A client that stays until it is told to hang up."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def receive(self) -> dict[str, Any]:
        return await self.messages.get()

    def hang_up(self) -> None:
        self.messages.put_nowait({"type": "http.disconnect"})


class Work:
    """Never ends itself; says when it began and how it ended."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.was_cancelled = False

    async def run(self) -> None:
        self.began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise


async def test_the_result_is_that_of_the_work_while_the_caller_stays() -> None:
    async def work() -> str:
        await asyncio.sleep(0)
        return "done"

    assert await attended(Caller().receive, work()) == "done"


async def test_work_that_fails_raises_its_own_error() -> None:
    async def work() -> None:
        raise ProviderUnavailable("gone")

    with pytest.raises(ProviderUnavailable, match="gone"):
        await attended(Caller().receive, work())


async def test_work_of_a_caller_that_hangs_up_is_cancelled() -> None:
    caller, work = Caller(), Work()
    attending = asyncio.create_task(attended(caller.receive, work.run()))
    await work.began.wait()
    caller.hang_up()
    with pytest.raises(ClientGoneError) as gone:
        await attending
    assert (gone.value.status, gone.value.code) == (499, "client_gone")
    assert work.was_cancelled


async def test_work_is_cancelled_and_over_when_the_request_is_cancelled() -> None:
    work = Work()
    attending = asyncio.create_task(attended(Caller().receive, work.run()))
    await work.began.wait()
    attending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attending
    assert work.was_cancelled


async def test_a_result_counts_although_the_caller_hangs_up_at_the_same_time() -> None:
    caller = Caller()

    async def work() -> str:
        caller.hang_up()
        return "done"

    assert await attended(caller.receive, work()) == "done"


async def test_other_messages_are_no_disconnect() -> None:
    caller = Caller()
    for _ in range(3):
        caller.messages.put_nowait({"type": "http.request", "body": b"late"})
    caller.hang_up()
    await disconnected(caller.receive)
    assert caller.messages.empty()


class Entries:
    """Results of a job, which note that they were closed."""

    def __init__(self, *parts: PipeEntry | Exception) -> None:
        self.parts = parts
        self.is_closed = False

    async def stream(self) -> AsyncGenerator[PipeEntry]:
        try:
            for part in self.parts:
                if isinstance(part, Exception):
                    raise part
                yield part
        finally:
            self.is_closed = True


AUDIO, DONE = AudioReady("j", b"\0\0"), SpeechDone("j")


@pytest.mark.parametrize("parts", [(DONE,), (AUDIO, DONE), (AUDIO, AUDIO, DONE)])
async def test_begun_results_are_all_of_them_in_order(parts: tuple[PipeEntry, ...]) -> None:
    entries = Entries(*parts)
    assert [entry async for entry in await begun(entries.stream())] == list(parts)
    assert entries.is_closed


async def test_results_that_fail_at_once_raise_before_they_have_begun() -> None:
    entries = Entries(ProviderUnavailable("gone"))
    with pytest.raises(ProviderUnavailable):
        await begun(entries.stream())
    assert entries.is_closed


async def test_results_that_fail_later_raise_while_they_are_read() -> None:
    chained = await begun(Entries(AUDIO, ProviderUnavailable("gone")).stream())
    assert await anext(chained) == AUDIO
    with pytest.raises(ProviderUnavailable):
        await anext(chained)


async def test_results_are_closed_with_a_reader_that_stops_early() -> None:
    entries = Entries(AUDIO, DONE)
    chained = await begun(entries.stream())
    await anext(chained)
    await chained.aclose()
    assert entries.is_closed
