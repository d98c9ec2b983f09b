"""An exchange tells the connection of the key, and makes the answer before an unread body the last one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from antiphon.clock import VirtualClock
from antiphon.doors.server.exchange import (
    LINGER_S,
    UNKEYED_BYTES,
    Exchange,
    admit,
    exchange_of,
    extensions_of,
)
from tests.virtual_time import on_virtual_time

START = {"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"2")]}
BODY = {"type": "http.response.body", "body": b"no"}


class Carrier:
    """A connection that notes what it is told."""

    def __init__(self, *, is_too_much_to_read: bool = False) -> None:
        self.is_too_much_to_read = is_too_much_to_read
        self.told: list[Any] = []

    def admit(self) -> None:
        self.told.append("admit")

    def hold(self, held_bytes: int) -> None:
        self.told.append(held_bytes)

    def evict(self) -> None:
        self.told.append("evict")


class Client:
    """Sends the chunks of a body, then nothing; notes what it is sent, and when."""

    def __init__(self, clock: VirtualClock, *chunks: bytes, ends: bool = False) -> None:
        self._clock = clock
        self._chunks = list(chunks)
        self._ends = ends
        self.sent: list[Any] = []
        self.reads = 0
        self.ended_at: float | None = None

    async def receive(self) -> dict[str, Any]:
        self.reads += 1
        if self._chunks:
            return {"type": "http.request", "body": self._chunks.pop(0), "more_body": True}
        if self._ends:
            return {"type": "http.request", "body": b"", "more_body": False}
        return await asyncio.Event().wait()  # it never is

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        self.ended_at = self._clock.now()


async def answered(client: Client, carrier: Carrier) -> None:
    exchange = Exchange(carrier, client.receive, client.send)
    await exchange.send(dict(START))
    await exchange.send(dict(BODY))


def test_calls_of_an_application_reach_the_connection() -> None:
    carrier = Carrier()
    exchange = Exchange(carrier, None, None)  # neither is called
    scope = {"extensions": extensions_of(exchange)}
    assert exchange_of(scope) is exchange
    admit(scope)
    exchange.hold(7)
    exchange.evict()
    assert carrier.told == ["admit", 7, "evict"]


@pytest.mark.parametrize("scope", [{}, {"extensions": {}}, {"extensions": {"http.response.push": {}}}])
def test_under_another_server_there_is_no_exchange_and_nothing_to_tell(scope: dict[str, Any]) -> None:
    assert exchange_of(scope) is None
    admit(scope)


async def all_is_read(clock: VirtualClock) -> None:
    client = Client(clock)
    await answered(client, Carrier())
    assert (client.sent, client.reads) == ([START, BODY], 0)


test_an_answer_behind_a_body_that_is_read_is_passed_on_as_it_is = on_virtual_time(all_is_read)


async def client_is_silent(clock: VirtualClock) -> None:
    client, began = Client(clock), clock.now()
    await answered(client, Carrier(is_too_much_to_read=True))
    start, body, end = client.sent
    assert start["headers"] == [*START["headers"], (b"connection", b"close")]
    assert (body["body"], body["more_body"]) == (b"no", True)
    assert end == {"type": "http.response.body", "body": b""}
    assert client.ended_at == began + LINGER_S


test_the_last_answer_leaves_the_client_time_to_read_it = on_virtual_time(client_is_silent)


async def client_has_ended(clock: VirtualClock) -> None:
    client, began = Client(clock, b"x" * 100, ends=True), clock.now()
    await answered(client, Carrier(is_too_much_to_read=True))
    assert client.ended_at == began
    assert client.reads == 2


test_a_client_that_has_sent_its_whole_body_is_not_waited_for = on_virtual_time(client_has_ended)


async def client_sends_much(clock: VirtualClock) -> None:
    client, began = Client(clock, *[b"x" * UNKEYED_BYTES] * 100), clock.now()
    await answered(client, Carrier(is_too_much_to_read=True))
    assert client.reads == 2
    assert client.ended_at == began + LINGER_S


test_no_more_is_read_than_of_a_body_before_its_key = on_virtual_time(client_sends_much)


async def client_sends_crumbs(clock: VirtualClock) -> None:
    client = Client(clock, *[b"x"] * 1000)
    await answered(client, Carrier(is_too_much_to_read=True))
    assert client.reads == 50


test_a_body_in_many_small_chunks_is_not_read_to_its_end = on_virtual_time(client_sends_crumbs)


async def answer_in_pieces(clock: VirtualClock) -> None:
    client, began = Client(clock, ends=True), clock.now()
    exchange = Exchange(Carrier(is_too_much_to_read=True), client.receive, client.send)
    await exchange.send(dict(START))
    await exchange.send({"type": "http.response.body", "body": b"n", "more_body": True})
    assert client.reads == 0
    await exchange.send({"type": "http.response.body", "body": b"o"})
    assert [message["body"] for message in client.sent[1:]] == [b"n", b"o", b""]
    assert (client.reads, client.ended_at) == (1, began)


test_only_the_end_of_the_last_answer_waits = on_virtual_time(answer_in_pieces)
