"""HTTP polling: what is refused before the library handles a request, and what is counted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from antiphon.doors.dubbing.polling import query_of
from antiphon.doors.dubbing.transports import MAX_POST_BYTES, Transport
from antiphon.doors.errors import ContentTooLarge
from antiphon.doors.server.exchange import UNKEYED_BYTES, Exchange, extensions_of
from antiphon.doors.websocket.large_events import LARGE_BYTES
from antiphon.errors import InvalidRequest
from tests.unit.doors.asgi_call import Answered
from tests.unit.doors.dubbing.stage import Carrier, Library, scope


@pytest.fixture
def library() -> Library:
    return Library()


@pytest.fixture
async def transport(library: Library) -> Transport:
    return await library.open()


async def test_every_answer_has_the_headers_of_other_answers(library: Library) -> None:
    assert (await library.asked(scope())).headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("query", ["&".join(f"a{number}=1" for number in range(21)), "a=%ff&\udcff"])
def test_a_query_of_too_many_fields_or_no_utf8_is_refused(query: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        query_of({"query_string": query.encode("utf-8", "surrogateescape")})
    assert refused.value.param == "query"


def test_a_query_is_read_with_every_value() -> None:
    assert query_of({"query_string": b"sid=a&sid=b&empty="}) == {"sid": ["a", "b"]}
    assert query_of({}) == {}


async def test_jsonp_is_refused(library: Library) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await library.asked(scope(query="EIO=4&transport=polling&j=0"))
    assert refused.value.param == "j"


async def test_an_upgrade_header_of_a_plain_request_does_not_reach_the_library(library: Library) -> None:
    answered = await library.asked(scope(headers=((b"host", b"localhost"), (b"upgrade", b"websocket"))))
    assert answered.status == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_unknown_session_is_neither_polled_nor_sent_to(library: Library, method: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await library.asked(scope(method, "EIO=4&transport=polling&sid=nobody"), b"2")
    assert refused.value.code == "unknown_session"


async def test_a_session_has_one_poll_at_a_time(library: Library, transport: Transport) -> None:
    poll = asyncio.create_task(library.poll(transport))
    while not transport.is_polled:
        await asyncio.sleep(0)
    with pytest.raises(InvalidRequest) as refused:
        await library.poll(transport)
    assert refused.value.code == "session_busy"
    await library.transports.end(transport)
    async with asyncio.timeout(10):
        await poll
    assert not transport.is_polled


async def test_a_session_has_one_body_at_a_time(library: Library, transport: Transport) -> None:
    transport.is_posting = True
    with pytest.raises(InvalidRequest) as refused:
        await library.post(transport, b"3")
    assert refused.value.code == "session_busy"
    transport.is_posting = False
    assert (await library.post(transport, b"3")).status == 200


@pytest.mark.parametrize(("has_connected", "most"), [(False, UNKEYED_BYTES), (True, MAX_POST_BYTES)])
async def test_a_body_is_refused_above_its_limit_by_its_header_or_as_it_comes(
    library: Library, transport: Transport, has_connected: bool, most: int
) -> None:
    transport.has_connected = has_connected
    for chunks, given in (((b"",), {"declared": most + 1}), ((b"4" * most, b"4"), {})):
        with pytest.raises(ContentTooLarge, match=str(most)):
            await library.post(transport, *chunks, **given)
        assert not transport.is_posting


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"0", "invalid_packet"),
        (b"x", "invalid_packet"),
        (b"\xff", "invalid_packet"),
        (b"3\x1e\x1e", "invalid_packet"),
        (b"\x1e".join([b"3"] * 17), "too_many_packets"),
    ],
)
async def test_packets_of_unknown_types_and_too_many_are_refused(
    library: Library, transport: Transport, body: bytes, code: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await library.post(transport, body)
    assert refused.value.code == code
    assert library.has(transport), "the session lives"


async def test_a_body_may_come_in_pieces(library: Library, transport: Transport) -> None:
    assert (await library.post(transport, b"3\x1e", b"3")).status == 200


async def test_a_session_that_sends_too_many_packets_before_it_connects_ends(
    library: Library, transport: Transport
) -> None:
    body = b"\x1e".join([b"3"] * 16)
    for _ in range(2):
        assert (await library.post(transport, body)).status == 200
    with pytest.raises(InvalidRequest) as refused:
        await library.post(transport, b"3")
    assert refused.value.param == "sid"
    assert not library.has(transport)


async def test_a_client_that_leaves_during_its_body_gets_no_answer(library: Library, transport: Transport) -> None:
    answered = await library.post(transport, b"4", gone=True)
    assert answered.messages == []
    assert not transport.is_posting


async def test_the_bytes_of_a_body_are_counted_and_released(library: Library, transport: Transport) -> None:
    carrier = Carrier()
    assert (await library.post(transport, b"3\x1e", b"3", carrier=carrier)).status == 200
    assert carrier.held == [2, 3, 3, 0]
    assert carrier.admitted == 0, "no client has connected"
    transport.has_connected = True
    await library.post(transport, b"3", carrier=carrier)
    assert carrier.admitted == 1


async def test_a_session_that_ends_aborts_the_body_that_it_is_reading(library: Library, transport: Transport) -> None:
    carrier, reading, rest = Carrier(), asyncio.Event(), asyncio.Event()

    async def receive() -> Any:
        reading.set()
        await rest.wait()
        return {"type": "http.disconnect"}

    asked = scope("POST", f"EIO=4&transport=polling&sid={transport.socket.sid}")
    asked["extensions"] = extensions_of(Exchange(carrier, receive, Answered().send))
    posting = asyncio.create_task(library.polling(asked, receive, Answered().send))
    async with asyncio.timeout(10):
        await reading.wait()
        await library.transports.end(transport)
        assert carrier.evicted == 1
        rest.set()
        await posting
    assert (transport.exchange, library.has(transport)) == (None, False)


async def test_a_long_packet_without_an_event_name_is_refused(library: Library, transport: Transport) -> None:
    transport.has_connected = True
    with pytest.raises(InvalidRequest) as refused:
        await library.post(transport, b"42" + b"[" * (LARGE_BYTES + 1))
    assert refused.value.code == "invalid_packet"
    assert transport.taken == {}
