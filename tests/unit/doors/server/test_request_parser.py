from __future__ import annotations

import h11
import pytest

from antiphon.doors.server.request_parser import EVENTS_A_TURN, MAX_HEAD_BYTES, MAX_HEADERS, MAX_PARTS, RequestParser

HEAD = b"POST / HTTP/1.1\r\nhost: a\r\n"


@pytest.mark.parametrize("count", [0, MAX_HEADERS - 1])
def test_so_many_headers_are_read(count: int) -> None:
    parser = RequestParser()
    parser.receive_data(HEAD + b"a: b\r\n" * count + b"\r\n")
    request = parser.next_event()
    assert isinstance(request, h11.Request)
    assert len(request.headers) == count + 1


@pytest.mark.parametrize(
    "packets",
    [
        [HEAD + b"a: b\r\n" * MAX_HEADERS + b"\r\n"],
        [HEAD + b"a: " + b"b" * MAX_HEAD_BYTES + b"\r\n\r\n"],
        [HEAD + b"a: " + b"b" * MAX_HEAD_BYTES, b"b"],
        [HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * (MAX_HEADERS + 2) + b"\r\n"],
        [HEAD + b"content-length: 1\r\n\r\n", b"x" + HEAD + b"a: b\r\n" * MAX_HEADERS + b"\r\n"],
        [HEAD + b"a: " + b"," * (MAX_PARTS + 1) + b"\r\n\r\n"],
        [HEAD + (b"a: " + b"," * (MAX_PARTS // 100 + 1) + b"\r\n") * 100 + b"\r\n"],
        [b"GET /" + b"%41" * (MAX_PARTS + 1) + b" HTTP/1.1\r\nhost: a\r\n\r\n"],
    ],
    ids=["headers", "a line", "an unfinished line", "trailers", "the next head", "a list", "lists", "a path"],
)
def test_more_is_refused_wherever_it_stands(packets: list[bytes]) -> None:
    with pytest.raises(h11.RemoteProtocolError) as refused:
        read_all(packets)
    assert refused.value.error_status_hint == 431


def read_all(packets: list[bytes]) -> None:
    """Read requests, and answer each."""
    parser = RequestParser()
    for packet in packets:
        parser.receive_data(packet)
        parser.begin_turn()
        while (event := parser.next_event()) is not h11.NEED_DATA:
            if event is h11.PAUSED:
                parser.send(h11.Response(status_code=204, headers=[]))
                parser.send(h11.EndOfMessage())
                parser.start_next_cycle()


def test_a_body_of_many_chunks_takes_many_turns_and_stays_whole() -> None:
    chunks = b"".join(b"1\r\n%c\r\n" % (number % 256) for number in range(5000))
    parser = RequestParser()
    parser.receive_data(HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
    body, turns, event = b"", 0, None
    while not isinstance(event, h11.EndOfMessage):
        parser.begin_turn()
        turns += 1
        for _ in range(EVENTS_A_TURN + 1):
            event = parser.next_event()
            body += event.data if isinstance(event, h11.Data) else b""
            if isinstance(event, h11.EndOfMessage):
                break
        else:
            assert parser.is_behind
    assert body == bytes(number % 256 for number in range(5000))
    assert turns == -(-5002 // EVENTS_A_TURN)


def test_unparsed_input_is_known() -> None:
    parser = RequestParser()
    assert not parser.has_rest
    parser.receive_data(b"GET /")
    assert parser.next_event() is h11.NEED_DATA
    assert parser.has_rest
