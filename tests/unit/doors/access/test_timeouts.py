from __future__ import annotations

import asyncio
from typing import Any

import pytest

from antiphon.doors.access.timeouts import TimeoutMiddleware
from antiphon.doors.errors import RequestTimedOut
from antiphon.doors.server.exchange import Exchange, extensions_of

SCOPE = {"type": "http", "path": "/"}


async def reads_all(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class Client:
    """Sends its body in steps, and reads as fast as it is told to."""

    def __init__(self, *pauses_s: float, reading_s: float = 0.0) -> None:
        self._pauses = list(pauses_s)
        self._reading_s = reading_s
        self.received: list[str] = []

    async def receive(self) -> dict[str, Any]:
        await asyncio.sleep(self._pauses.pop(0))
        return {"type": "http.request", "body": b"x", "more_body": bool(self._pauses)}

    async def send(self, message: dict[str, Any]) -> None:
        await asyncio.sleep(self._reading_s)
        self.received.append(message["type"])


async def test_a_client_that_keeps_sending_has_all_the_time_it_needs() -> None:
    client = Client(*[0.02] * 10)
    await TimeoutMiddleware(reads_all, body_s=0.1)(SCOPE, client.receive, client.send)
    assert client.received == ["http.response.start", "http.response.body"]


async def test_a_body_that_stops_coming_is_a_timeout() -> None:
    client = Client(0, 0, 9)
    with pytest.raises(RequestTimedOut) as timed_out:
        await TimeoutMiddleware(reads_all, body_s=0.05)(SCOPE, client.receive, client.send)
    assert timed_out.value.status == 408


async def test_a_body_that_trickles_for_ever_is_a_timeout_too() -> None:
    client = Client(*[0.02] * 1000)
    with pytest.raises(RequestTimedOut):
        await TimeoutMiddleware(reads_all, body_s=5, upload_s=0.1)(SCOPE, client.receive, client.send)


async def test_the_wait_for_a_disconnect_has_no_limit() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await receive()
        await send({"type": "http.response.start"})

    client = Client(0, 0.2)
    client._pauses = [0]
    first = client.receive

    async def receive() -> dict[str, Any]:
        if client._pauses:
            return await first()
        await asyncio.sleep(0.2)
        return {"type": "http.disconnect"}

    await TimeoutMiddleware(app, body_s=0.05)(SCOPE, receive, client.send)
    assert client.received == ["http.response.start"]


async def test_a_client_that_does_not_read_is_given_up() -> None:
    client = Client(0, reading_s=9)
    async with asyncio.timeout(2):
        await TimeoutMiddleware(reads_all, answer_s=0.05)(SCOPE, client.receive, client.send)
    assert client.received == []


class Carrier:
    """A connection, which notes its end."""

    is_too_much_to_read = False
    ended = False

    def admit(self) -> None:
        """Nothing."""

    def hold(self, held_bytes: int) -> None:
        """Nothing."""

    def evict(self) -> None:
        self.ended = True


async def test_its_connection_is_ended_without_waiting_for_it() -> None:
    client, carrier = Client(0, reading_s=9), Carrier()
    scope = {**SCOPE, "extensions": extensions_of(Exchange(carrier, client.receive, client.send))}
    await TimeoutMiddleware(reads_all, answer_s=0.05)(scope, client.receive, client.send)
    assert carrier.ended


async def test_other_traffic_passes_untouched() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope, receive, send))

    await TimeoutMiddleware(app)({"type": "websocket"}, 1, 2)
    assert seen == [({"type": "websocket"}, 1, 2)]
