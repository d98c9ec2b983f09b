"""Engine.IO transports: their limits, their timeouts, and which one makes room for another."""

from __future__ import annotations

import asyncio

import pytest

from antiphon.clock import VirtualClock
from antiphon.doors.dubbing.socketio import MAX_MESSAGE_BYTES
from antiphon.doors.dubbing.transports import MAX_POST_BYTES, Transport, attach, transport_of
from antiphon.doors.server.exchange import UNKEYED_BYTES
from antiphon.errors import InvalidRequest
from tests.unit.doors.dubbing.stage import Library, Wire, opening, scope
from tests.virtual_time import on_virtual_time


async def test_a_polling_session_is_opened_with_the_limit_of_its_bodies() -> None:
    library = Library()
    told = opening(await library.asked(scope()))
    assert told["maxPayload"] == MAX_POST_BYTES
    assert library.transports.find(told["sid"]).socket.sid == told["sid"]


async def test_an_unknown_session_is_refused_with_its_field() -> None:
    with pytest.raises(InvalidRequest) as refused:
        Library().transports.find("nobody")
    assert (refused.value.code, refused.value.param) == ("unknown_session", "sid")


async def test_a_session_that_was_upgraded_is_not_polled_any_more() -> None:
    library = Library()
    transport = await library.open()
    transport.socket.upgraded = True
    with pytest.raises(InvalidRequest):
        library.transports.find(transport.socket.sid)


async def test_packets_are_limited_until_a_client_has_connected() -> None:
    transport = await Library().open()
    assert transport.admits(32)
    assert not transport.admits(1)
    transport.connect()
    assert transport.admits(1_000)


async def test_a_client_that_does_not_fetch_its_packets_may_not_send_more() -> None:
    transport = await Library().open()
    transport.connect()
    while transport.socket.queue.qsize() <= 64:
        assert transport.admits(1)
        transport.socket.queue.put_nowait(None)
    assert not transport.admits(1)


async def test_a_websocket_has_small_messages_until_a_client_has_connected() -> None:
    transport, wire = await Library().open(), Wire()
    transport.use_socket(wire)
    transport.connect()
    transport.connect()
    assert wire.limits == [UNKEYED_BYTES, MAX_MESSAGE_BYTES]
    other = Wire()
    transport.use_socket(other)
    assert other.limits == [MAX_MESSAGE_BYTES]
    transport.cut_off()
    assert (wire.aborted, other.aborted) == (0, 1)
    transport.use_socket(None)
    transport.cut_off()
    assert other.aborted == 1, "it has no WebSocket any more"


@on_virtual_time
async def test_a_transport_without_a_client_ends_after_the_timeout(clock: VirtualClock) -> None:
    library = Library(connect_timeout_s=10)
    transport = await library.open()
    await asyncio.sleep(9.9)
    assert library.has(transport)
    await asyncio.sleep(0.2)
    assert not library.has(transport)


@on_virtual_time
async def test_a_connected_client_has_no_timeout_until_it_disconnects(clock: VirtualClock) -> None:
    library = Library(connect_timeout_s=10)
    transport = await library.open()
    transport.connect()
    await asyncio.sleep(15)
    assert library.has(transport)
    library.transports.disconnect(transport)
    assert (transport.has_connected, transport.is_connected) == (True, False)
    await asyncio.sleep(9.9)
    assert library.has(transport)
    await asyncio.sleep(0.2)
    assert not library.has(transport)


@on_virtual_time
async def test_no_timer_is_left_after_the_door_was_closed(clock: VirtualClock) -> None:
    library = Library(connect_timeout_s=10)
    transport = await library.open()
    library.transports.close()
    await asyncio.sleep(60)
    assert library.has(transport)


@on_virtual_time
async def test_an_upgrade_that_is_not_completed_is_aborted(clock: VirtualClock) -> None:
    library = Library(connect_timeout_s=10)
    transport, wire = await library.open(), Wire()
    transport.connect()
    transport.use_socket(wire)
    library.transports.await_upgrade(transport)
    await asyncio.sleep(9)
    assert not wire.aborted
    await asyncio.sleep(2)
    assert wire.aborted == 1


@on_virtual_time
async def test_an_upgrade_that_is_completed_is_not_aborted(clock: VirtualClock) -> None:
    library = Library(connect_timeout_s=10)
    transport, wire = await library.open(), Wire()
    transport.use_socket(wire)
    transport.connect()
    transport.socket.upgraded = True
    library.transports.await_upgrade(transport)
    await asyncio.sleep(30)
    assert not wire.aborted


async def remaining(library: Library, transports: list[Transport]) -> list[int]:
    """Return the places of the transports that the library still has."""
    await library.background.join()
    return [place for place, one in enumerate(transports) if library.has(one)]


async def test_a_transport_above_the_limit_ends_one_of_the_busiest_peer() -> None:
    library = Library(most=3)
    opened = [await library.open(peer=peer) for peer in ("10.0.0.1", "10.0.0.2", "10.0.0.2")]
    opened.append(await library.open(peer="10.0.0.3"))
    left = await remaining(library, opened)
    assert len(left) == 3
    assert {0, 3} <= set(left)


async def test_connected_clients_and_valid_keys_keep_their_place() -> None:
    library = Library(most=3, is_known=lambda asked: asked["client"][0] == "10.0.0.9")
    opened = [await library.open(peer="10.0.0.1"), await library.open(peer="10.0.0.9")]
    opened[0].connect()
    opened.append(await library.open(peer="10.0.0.1"))
    opened.append(await library.open(peer="10.0.0.4"))
    assert await remaining(library, opened) == [0, 1, 3]


async def test_where_all_clients_are_connected_the_new_transport_ends() -> None:
    library = Library(most=2)
    opened = [await library.open() for _ in range(2)]
    for one in opened:
        one.connect()
    opened.append(await library.open())
    assert await remaining(library, opened) == [0, 1]


@pytest.mark.parametrize(
    ("address", "peer"),
    [("127.0.0.1", "127.0.0.1"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2"), ("2001:db8:1:2:ffff::1", "2001:db8:1:2")],
)
async def test_addresses_of_one_ipv6_network_are_one_peer(address: str, peer: str) -> None:
    assert (await Library().open(peer=address)).peer == peer


async def test_the_end_of_a_session_answers_its_poll() -> None:
    library = Library()
    transport = await library.open()
    poll = asyncio.create_task(library.poll(transport))
    while not transport.is_polled:
        await asyncio.sleep(0)
    await library.transports.end(transport)
    async with asyncio.timeout(10):
        answered = await poll
    assert answered.status == 200
    assert answered.body


async def test_a_shutdown_ends_polling_sessions_and_leaves_websockets_to_the_server() -> None:
    library = Library()
    polling, upgraded = await library.open(), await library.open()
    upgraded.use_socket(Wire())
    await library.transports.end_sessions()
    assert (library.has(polling), library.has(upgraded)) == (False, True)


async def test_a_transport_is_found_by_its_scope() -> None:
    transport = await Library().open()
    asked = scope()
    assert transport_of(asked) is None
    attach(asked, transport)
    assert transport_of(asked) is transport
