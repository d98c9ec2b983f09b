"""A service that answers every request with a status and a small object; it notes what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

_BODY = b'{"data": [], "character_count": 1, "character_limit": 2}'


class ModelsServer:
    """Answers on loopback; `status` is what it answers with, None that it never does."""

    def __init__(self) -> None:
        self.status: int | None = 200
        self.asked: list[str] = []
        """First lines of the requests."""
        self.heads: list[str] = []
        self.base_url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[ModelsServer]:
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            self.base_url = f"http://127.0.0.1:{port}"
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.asked.append(head.partition(" HTTP/")[0])
            self.heads.append(head)
            if self.status is None:
                await reader.read()  # until the other side has had enough
                return
            line = f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\n"
            fields = f"content-type: application/json\r\ncontent-length: {len(_BODY)}\r\nconnection: close\r\n\r\n"
            writer.write((line + fields).encode() + _BODY)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
