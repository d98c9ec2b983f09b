"""All open WebSockets of a process: their number, and their end at a drain."""

from __future__ import annotations

import asyncio

import pytest

from antiphon.clock import VirtualClock
from antiphon.doors.websocket.registry import ConnectionRegistry
from antiphon.errors import Overloaded, RateLimited
from antiphon.observe.metrics import Metrics
from antiphon.ports.limiter import Account
from tests.unit.doors.websocket.stage import Peer, Stage, ask, connections, running
from tests.virtual_time import on_virtual_time


def refusals(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("rate_limits_total", {"limit": "connections"})


def test_a_key_has_only_so_many_places_and_others_have_theirs() -> None:
    metrics = Metrics()
    everyone = ConnectionRegistry(metrics, most_per_key=2)
    mine = Account("t", "key_one")
    with everyone.place(mine), everyone.place(mine):
        with pytest.raises(RateLimited) as refused:
            ask(everyone)
        assert refused.value.code == "too_many_connections"
        ask(everyone, "key_two")
    ask(everyone)
    assert refusals(metrics) == 1


def test_only_so_many_are_let_in_also_while_none_of_them_is_accepted_yet() -> None:
    metrics = Metrics()
    everyone = ConnectionRegistry(metrics, most=2)
    with everyone.place(Account("t", "key_one")):
        with everyone.place(Account("t", "key_two")), pytest.raises(Overloaded):
            ask(everyone)
        ask(everyone)
    assert refusals(metrics) == 1


def test_a_new_session_needs_room_in_the_shared_store() -> None:
    ConnectionRegistry(Metrics(), has_room=lambda: True).check_room()
    with pytest.raises(Overloaded):
        ConnectionRegistry(Metrics(), has_room=lambda: False).check_room()


async def test_who_comes_during_a_drain_is_refused_by_no_limit() -> None:
    metrics = Metrics()
    everyone = ConnectionRegistry(metrics)
    await everyone.drain(0)
    with pytest.raises(Overloaded):
        ask(everyone)
    assert refusals(metrics) is None


async def test_connections_are_counted_while_they_last() -> None:
    metrics = Metrics()
    everyone = ConnectionRegistry(metrics)

    def sample(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, {"door": "realtime", **labels})

    async with running(everyone, 3) as stages:
        assert sample("active_connections") == 3.0
        for stage in stages:
            stage.peer.says(text="a")
            stage.peer.leaves()
    assert sample("active_connections") == 0.0
    assert sample("requests_total", outcome="done") == 3.0
    assert sample("websocket_message_processing_count") == 3.0


@on_virtual_time
async def test_a_drain_lets_answers_end_and_closes_the_others_at_once(clock: VirtualClock) -> None:
    everyone = connections()
    async with running(everyone, 2) as (idle, busy):
        assert busy.session is not None
        busy.session.is_answering = True
        begin = clock.now()
        draining = asyncio.ensure_future(everyone.drain(10.0))
        await asyncio.sleep(1.0)
        with pytest.raises(Overloaded):
            ask(everyone)
        assert [message["code"] for message in idle.peer.sent] == [1012]
        assert busy.peer.sent == []
        busy.session.is_answering = False
        assert busy.connection is not None
        busy.connection.rest()
        await asyncio.sleep(0.001)
        assert clock.now() - begin < 1.1
        assert [message["code"] for message in busy.peer.sent] == [1012]
        assert draining.done()


@on_virtual_time
async def test_a_drain_has_an_end_also_when_an_answer_has_none(clock: VirtualClock) -> None:
    everyone = connections()
    async with running(everyone) as (stage,):
        assert stage.session is not None
        stage.session.is_answering = True
        begin = clock.now()
        await everyone.drain(10.0)
        assert 10.0 <= clock.now() - begin < 11.0
        assert [message["code"] for message in stage.peer.sent] == [1012]


@on_virtual_time
async def test_a_drain_does_not_wait_for_a_connection_that_cannot_be_closed(clock: VirtualClock) -> None:
    everyone = connections()
    with everyone.connect({"headers": []}, Peer().receive, Peer().send) as connection:
        begin = clock.now()
        await everyone.drain(1.0)
        assert 3.0 <= clock.now() - begin < 4.0
        assert connection.code == 1012


@on_virtual_time
async def test_a_connection_that_is_accepted_during_a_drain_goes_at_once(clock: VirtualClock) -> None:
    everyone, stage = connections(), None
    async with running(everyone) as (busy,):
        assert busy.session is not None
        busy.session.is_answering = True
        draining = asyncio.ensure_future(everyone.drain(10.0))
        await asyncio.sleep(0.1)
        begin = clock.now()
        stage = Stage(everyone)
        await stage.run()
        assert clock.now() == begin
        assert [message["code"] for message in stage.peer.sent] == [1012]
        await draining


@on_virtual_time
async def test_a_drain_looks_at_no_connection_while_nothing_happens(clock: VirtualClock) -> None:
    everyone = connections()
    async with running(everyone) as (stage,):
        assert stage.session is not None
        assert stage.connection is not None
        stage.session.is_answering = True
        draining = asyncio.ensure_future(everyone.drain(59.0))
        await asyncio.sleep(0.1)
        looks, begin = stage.session.looks, clock.now()
        await asyncio.sleep(50.0)
        assert (stage.session.looks, clock.now() - begin) == (looks, 50.0)
        stage.session.is_answering = False
        stage.connection.rest()
        await draining


@on_virtual_time
async def test_a_drain_of_nobody_is_over_at_once(clock: VirtualClock) -> None:
    begin = clock.now()
    await connections().drain(10.0)
    assert clock.now() == begin
