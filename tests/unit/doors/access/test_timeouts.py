from __future__ import annotations

import asyncio
from typing import Any

import pytest

from antiphon.clock import VirtualClock
from antiphon.doors.access.timeouts import TimeoutMiddleware
from antiphon.doors.errors import RequestTimedOut
from antiphon.doors.server.exchange import Exchange, extensions_of
from tests.virtual_time import on_virtual_time

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


async def keeps_sending(clock: VirtualClock) -> None:
    client = Client(*[20.0] * 10)
    await TimeoutMiddleware(reads_all, body_s=30)(SCOPE, client.receive, client.send)
    assert client.received == ["http.response.start", "http.response.body"]


test_a_client_that_keeps_sending_has_all_the_time_it_needs = on_virtual_time(keeps_sending)


async def stops_sending(clock: VirtualClock) -> None:
    client, began = Client(0, 0, 900), clock.now()
    with pytest.raises(RequestTimedOut) as timed_out:
        await TimeoutMiddleware(reads_all, body_s=30)(SCOPE, client.receive, client.send)
    assert timed_out.value.status == 408
    assert clock.now() == began + 30


test_a_body_that_stops_coming_is_a_timeout = on_virtual_time(stops_sending)


async def trickles(clock: VirtualClock) -> None:
    client, began = Client(*[20.0] * 1000), clock.now()
    with pytest.raises(RequestTimedOut):
        await TimeoutMiddleware(reads_all, body_s=30, upload_s=90)(SCOPE, client.receive, client.send)
    assert clock.now() == began + 90


test_a_body_that_trickles_for_ever_is_a_timeout_too = on_virtual_time(trickles)


async def waits_for_the_disconnect(clock: VirtualClock) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        await send({"type": "http.response.start"})

    messages = [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]
    client, began = Client(), clock.now()

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0 if len(messages) == 2 else 9000)
        return messages.pop(0)

    await TimeoutMiddleware(app, body_s=30, upload_s=90)(SCOPE, receive, client.send)
    assert client.received == ["http.response.start"]
    assert clock.now() == began + 9000


test_the_wait_for_a_disconnect_has_no_limit = on_virtual_time(waits_for_the_disconnect)


async def reads_nothing(clock: VirtualClock) -> None:
    client, began = Client(0, reading_s=900), clock.now()
    await TimeoutMiddleware(reads_all, answer_s=30)(SCOPE, client.receive, client.send)
    assert client.received == []
    assert clock.now() == began + 30


test_the_request_of_a_client_that_does_not_read_is_ended = on_virtual_time(reads_nothing)


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


async def is_evicted(clock: VirtualClock) -> None:
    client, carrier = Client(0, reading_s=900), Carrier()
    scope = {**SCOPE, "extensions": extensions_of(Exchange(carrier, client.receive, client.send))}
    await TimeoutMiddleware(reads_all, answer_s=30)(scope, client.receive, client.send)
    assert carrier.ended


test_its_connection_is_closed_without_waiting_for_it = on_virtual_time(is_evicted)


async def test_other_traffic_passes_untouched() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope, receive, send))

    await TimeoutMiddleware(app)({"type": "websocket"}, 1, 2)
    assert seen == [({"type": "websocket"}, 1, 2)]
