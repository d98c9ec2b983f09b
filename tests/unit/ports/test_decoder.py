"""All pieces of a decoder as one, and its end whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from antiphon.errors import InvalidRequest
from antiphon.ports.decoder import ANY_FILE, decoded


class Pieces:
    """A decoding that notes its end."""

    def __init__(self, *steps: bytes | Exception | asyncio.Event) -> None:
        self._steps = steps
        self.has_ended = False

    async def run(self) -> AsyncGenerator[bytes]:
        try:
            for step in self._steps:
                match step:
                    case bytes():
                        yield step
                    case asyncio.Event():
                        await step.wait()
                    case _:
                        raise step
        finally:
            self.has_ended = True


@pytest.mark.parametrize("pieces", [(), (b"",), (b"one",), (b"one", b"", b"two")])
async def test_pieces_are_joined_in_their_order(pieces: tuple[bytes, ...]) -> None:
    assert await decoded(Pieces(*pieces).run()) == b"".join(pieces)


async def test_an_error_rises_and_stops_the_decoding() -> None:
    pieces = Pieces(b"one", InvalidRequest("no sound", param="file"))
    with pytest.raises(InvalidRequest, match="no sound"):
        await decoded(pieces.run())
    assert pieces.has_ended


async def test_a_cancellation_stops_the_decoding() -> None:
    pieces = Pieces(b"one", asyncio.Event())
    decoding = asyncio.ensure_future(decoded(pieces.run()))
    await asyncio.sleep(0)
    decoding.cancel()
    await asyncio.wait((decoding,))
    assert decoding.cancelled()
    assert pieces.has_ended


def test_an_upload_has_bounds() -> None:
    assert 0 < ANY_FILE.max_work_s < ANY_FILE.max_duration_s
