"""Work for a request ends when its client disconnects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from antiphon.errors import AntiphonError
from antiphon.wire.entries import PipeEntry

T = TypeVar("T")


class ClientGoneError(AntiphonError):
    """The client has disconnected; the response is only counted in the metrics."""

    type = "invalid_request_error"
    status = 499
    default_code = "client_gone"


async def attended(receive: Any, work: Coroutine[Any, Any, T]) -> T:
    """Return the result of ``work``, or cancel it and raise `ClientGoneError` when the client disconnects.

    The request body must have been read before.
    """
    working = asyncio.create_task(work, name="rest work")
    gone = asyncio.create_task(disconnected(receive), name="rest disconnect")
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
    finally:
        finished = working.done()
        working.cancel()
        gone.cancel()
        await asyncio.wait((working, gone))
    if not finished:
        raise ClientGoneError("The client has disconnected.")
    return working.result()


async def disconnected(receive: Any) -> None:
    """Return when the client has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def begun(entries: AsyncGenerator[PipeEntry]) -> AsyncGenerator[PipeEntry]:
    """Wait for the first entry and return all of them: an immediate failure raises before the response starts."""
    try:
        first = await anext(entries)
    except BaseException:
        await entries.aclose()
        raise
    return _chain(first, entries)


async def _chain(first: PipeEntry, rest: AsyncGenerator[PipeEntry]) -> AsyncGenerator[PipeEntry]:
    async with aclosing(rest):
        yield first
        async for entry in rest:
            yield entry
