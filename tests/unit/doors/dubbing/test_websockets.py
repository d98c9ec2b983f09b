"""WebSockets of Engine.IO: which are served, what reaches the library, and how they end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from antiphon.doors.dubbing.transports import Transport, attach
from antiphon.doors.dubbing.websockets import WebSockets
from antiphon.doors.server.frames import LongText
from antiphon.doors.websocket.large_events import LARGE_BYTES
from antiphon.errors import InvalidRequest
from tests.unit.doors.asgi_call import Answered
from tests.unit.doors.dubbing.stage import Library, Wire, scope

CONNECT = {"type": "websocket.connect"}
GONE = {"type": "websocket.disconnect", "code": 1006}
NEW = "EIO=4&transport=websocket"


class Played:
    """A WebSocket with scripted messages, and an application that reads them all."""

    def __init__(self, *messages: Any, query: str = NEW, library: Library | None = None) -> None:
        self.library = library or Library()
        self.wire = Wire()
        self.scope = scope(kind="websocket", query=query, wire=self.wire)
        self.seen: list[Any] = []
        self._messages = [*messages, GONE]

    async def receive(self) -> Any:
        return self._messages.pop(0)

    async def read_all(self, _: Any, receive: Callable[[], Awaitable[Any]], __: Any) -> None:
        """Read like the library, until the end."""
        while not self.seen or self.seen[-1]["type"] != "websocket.disconnect":
            self.seen.append(await receive())

    async def serve(self, app: Any = None) -> None:
        served = WebSockets(app or self.read_all, self.library.transports)
        await served(self.scope, self.receive, Answered().send)


def text(content: str) -> dict[str, Any]:
    return {"type": "websocket.receive", "text": content}


async def with_transport(played: Played) -> Transport:
    """Attach an open transport, as the library does when it has opened one."""
    transport = await played.library.open()
    attach(played.scope, transport)
    return transport


@pytest.mark.parametrize("query", ["", "EIO=4", "EIO=4&transport=polling", "transport=websocket&transport=websocket"])
async def test_a_websocket_without_its_transport_is_refused(query: str) -> None:
    played = Played(CONNECT, query=query)
    with pytest.raises(InvalidRequest) as refused:
        await played.serve()
    assert refused.value.param == "transport"
    assert played.seen == []


async def test_a_client_that_left_before_it_was_accepted_does_not_reach_the_library() -> None:
    played = Played()
    await played.serve()
    assert played.seen == []


async def test_messages_reach_the_library_in_order() -> None:
    played = Played(CONNECT, text("40"), text("2"))
    await with_transport(played)
    await played.serve()
    assert played.seen == [CONNECT, text("40"), text("2"), GONE]


async def test_the_transport_ends_with_its_websocket() -> None:
    played = Played(CONNECT)
    transport = await with_transport(played)
    await played.serve()
    assert not played.library.has(transport)


async def test_a_transport_above_its_limits_is_aborted() -> None:
    played = Played(CONNECT, *[text("2")] * 40)
    await with_transport(played)
    await played.serve()
    assert played.seen[-1] == {"type": "websocket.disconnect", "code": 1008}
    assert played.seen.count(text("2")) < 40
    assert played.wire.aborted == 1


async def test_long_audio_is_taken_out_and_kept_until_the_next_message() -> None:
    audio = "A" * LARGE_BYTES
    long = LongText(bytearray(f'42["fragment:data",{{"audio":{{"data_base64":"{audio}"}}}}]'.encode()))
    played = Played(CONNECT, {"type": "websocket.receive", "text": long}, text("2"))
    transport = await with_transport(played)
    kept: list[int] = []

    async def app(_: Any, receive: Callable[[], Awaitable[Any]], __: Any) -> None:
        for _ in range(3):
            played.seen.append(await receive())
            kept.append(sum(map(len, transport.taken.values())))

    await played.serve(app)
    assert played.seen[1]["text"].startswith('42["fragment:data"')
    assert len(played.seen[1]["text"]) < 200
    assert kept == [0, LARGE_BYTES, 0]


async def test_a_long_binary_message_does_not_reach_the_library() -> None:
    short = {"type": "websocket.receive", "bytes": b"\x01"}
    played = Played(CONNECT, {"type": "websocket.receive", "bytes": bytearray(b"x" * LARGE_BYTES)}, short)
    await with_transport(played)
    await played.serve()
    assert [one["bytes"] for one in played.seen[1:3]] == [b"", b"\x01"]


async def test_an_unknown_packet_aborts_its_own_connection_with_a_line_in_the_log() -> None:
    played = Played(CONNECT)

    async def app(*_: Any) -> None:
        raise ValueError("x is not a valid packet type")

    with capture_logs() as lines:
        await played.serve(app)
    assert played.wire.aborted == 1
    assert [line["event"] for line in lines] == ["invalid packet, connection aborted"]


async def upgrading(library: Library, *, completes: bool) -> tuple[Played, Transport]:
    """Serve the WebSocket of an upgrade."""
    transport = await library.open()
    played = Played(CONNECT, query=f"{NEW}&sid={transport.socket.sid}", library=library)

    async def app(*arguments: Any) -> None:
        assert transport.raw is played.wire
        transport.socket.upgraded = completes
        await played.read_all(*arguments)

    await played.serve(app)
    return played, transport


async def test_an_upgraded_session_ends_with_its_websocket() -> None:
    library = Library()
    played, transport = await upgrading(library, completes=True)
    assert not library.has(transport)
    assert played.wire.aborted == 1


async def test_a_session_whose_upgrade_failed_continues_to_poll() -> None:
    library = Library()
    _, transport = await upgrading(library, completes=False)
    assert library.has(transport)
    assert transport.raw is None
    assert library.transports.find(transport.socket.sid) is transport


async def test_a_session_has_one_websocket() -> None:
    library = Library()
    transport = await library.open()
    transport.use_socket(Wire())
    played = Played(CONNECT, query=f"{NEW}&sid={transport.socket.sid}", library=library)
    with pytest.raises(InvalidRequest) as refused:
        await played.serve()
    assert (refused.value.code, refused.value.param) == ("session_busy", "sid")


async def test_an_unknown_session_is_not_upgraded() -> None:
    with pytest.raises(InvalidRequest) as refused:
        await Played(CONNECT, query=f"{NEW}&sid=nobody").serve()
    assert refused.value.code == "unknown_session"
