"""What the event logs promise, for both adapters."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antiphon.connections.redis import RedisConnection
from antiphon.entities.events import ANALYTICS, ANALYTICS_WORKERS, LTM, LTM_WORKERS, WEBHOOKS, Delivery, Event, Log
from antiphon.errors import InvalidRequest, LeaseLost, Overloaded
from antiphon.events.limits import LogLimit
from antiphon.events.redis.logs import RedisEventLogs
from antiphon.events.sqlite import SqliteEventLogs
from antiphon.ports.event_logs import MOST_BYTES, Subscription

AnyLogs = SqliteEventLogs | RedisEventLogs
LEASE_S = 0.3
SHORT = LogLimit(lease_s=LEASE_S, capacity=20, dead=5)
LONG = LogLimit(lease_s=60.0, capacity=20, dead=5)
PATIENCE_S = 20.0


@asynccontextmanager
async def sqlite(_url: str, folder: Path, limit: LogLimit) -> AsyncIterator[AnyLogs]:
    logs = SqliteEventLogs(folder / "events.db", limit)
    await logs.start()
    yield logs
    await logs.close()


@asynccontextmanager
async def redis(url: str, _folder: Path, limit: LogLimit) -> AsyncIterator[AnyLogs]:
    connection = RedisConnection(url, most=8)
    for pattern in ("events.*", "{events.*"):
        for key in await connection.command("KEYS", pattern):
            await connection.command("DEL", key)
    yield RedisEventLogs(connection, limit)
    await connection.close()


ADAPTERS = {"sqlite": sqlite, "redis": redis}


@pytest.fixture(params=list(ADAPTERS))
async def logs(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> AsyncIterator[AnyLogs]:
    async with ADAPTERS[request.param](redis_url, tmp_path, LONG) as made:
        yield made


@pytest.fixture(params=list(ADAPTERS))
async def hasty(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> AsyncIterator[AnyLogs]:
    """The same, with leases that run out at once."""
    async with ADAPTERS[request.param](redis_url, tmp_path, SHORT) as made:
        yield made


def event(name: str, **fields: object) -> Event:
    made = Event("t", name, "AnalyticsChatStats", b'{"n": 1}', 1_700_000_000.25, "sess_1", 3)
    return replace(made, **fields)  # pyright: ignore[reportArgumentType] -- fields of an event


def events(*names: str | int) -> list[Event]:
    return [event(str(name)) for name in names]


def names(deliveries: Sequence[Delivery]) -> list[str]:
    return [one.event.event_id for one in deliveries]


def positions(deliveries: Sequence[Delivery]) -> list[str]:
    return [one.position for one in deliveries]


async def until(look: Callable[[], Awaitable[Sequence[Delivery]]]) -> Sequence[Delivery]:
    """Take until there is something."""
    async with asyncio.timeout(PATIENCE_S):
        while not (found := await look()):
            await asyncio.sleep(0.02)
    return found


async def acknowledge_all(
    logs: AnyLogs, log: Log = ANALYTICS, groups: Sequence[str] = (ANALYTICS_WORKERS, WEBHOOKS)
) -> None:
    for group in groups:
        subscription = logs.subscribe(log, group, "all")
        while taken := await subscription.take(100):
            await subscription.acknowledge(positions(taken))
        await subscription.leave()


# -- publish and take --------------------------------------------------------------------------------------------------
async def test_every_group_of_a_log_gets_each_event_whole_and_in_order(logs: AnyLogs) -> None:
    there = [event("a"), event("b", payload=b"\x00\xff", session_id="", session_sequence=0), event("c", tenant="ü")]
    await logs.publish(ANALYTICS, there[:2])
    await logs.publish(ANALYTICS, there[2:])
    for group in (ANALYTICS_WORKERS, WEBHOOKS):
        taken = await logs.subscribe(ANALYTICS, group, "one").take(10)
        assert [one.event for one in taken] == there
        assert [one.attempt for one in taken] == [1, 1, 1]
        assert all(one.published_at > 1_700_000_000 for one in taken)
    assert await logs.subscribe(LTM, LTM_WORKERS, "one").take(10) == []


async def test_events_from_before_the_first_consumer_are_delivered(logs: AnyLogs) -> None:
    await logs.publish(LTM, [event("early", type="LtmWriteRequested")])
    assert names(await logs.subscribe(LTM, LTM_WORKERS, "late").take(5)) == ["early"]


async def test_a_take_returns_at_most_the_limit_and_what_was_taken_does_not_come_again(logs: AnyLogs) -> None:
    await logs.publish(ANALYTICS, events(*"abcde"))
    one = logs.subscribe(ANALYTICS, WEBHOOKS, "one")
    assert [names(await one.take(2)) for _ in range(4)] == [["a", "b"], ["c", "d"], ["e"], []]


async def test_an_event_that_is_published_twice_is_delivered_once(logs: AnyLogs) -> None:
    await logs.publish(ANALYTICS, events("a", "b"))
    await logs.publish(ANALYTICS, events("a", "b", "c"))
    one = logs.subscribe(ANALYTICS, WEBHOOKS, "one")
    taken = await one.take(10)
    assert names(taken) == ["a", "b", "c"]
    await one.acknowledge(positions(taken))
    await logs.publish(ANALYTICS, events("c"))
    assert await one.take(10) == []


@pytest.mark.parametrize(
    ("bad", "param"), [({"payload": bytes(MOST_BYTES + 1)}, "payload"), ({"event_id": ""}, "event_id")]
)
async def test_a_bad_event_is_refused_and_none_of_its_batch_is_taken(
    logs: AnyLogs, bad: dict[str, object], param: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await logs.publish(ANALYTICS, [event("a"), event("b", **bad)])
    assert caught.value.param == param
    assert await logs.tail(ANALYTICS) == []


# -- one active consumer -----------------------------------------------------------------------------------------------
async def test_only_one_consumer_of_a_group_is_active_until_it_leaves(logs: AnyLogs) -> None:
    await logs.publish(ANALYTICS, events("a", "b"))
    one, two = (logs.subscribe(ANALYTICS, WEBHOOKS, name) for name in ("one", "two"))
    assert names(await one.take(1)) == ["a"]
    assert await two.take(1) == []
    await one.leave()
    assert names(await two.take(1)) == ["a"], "it was not acknowledged"
    assert await one.take(1) == []


async def test_two_consumers_of_one_name_are_two(logs: AnyLogs) -> None:
    await logs.publish(ANALYTICS, events("a"))
    one, two = (logs.subscribe(ANALYTICS, WEBHOOKS, "same") for _ in range(2))
    assert names(await one.take(1)) == ["a"]
    assert await two.take(1) == []


async def test_after_the_lease_another_consumer_gets_what_was_not_acknowledged_first_and_in_order(
    hasty: AnyLogs,
) -> None:
    await hasty.publish(ANALYTICS, events(*range(12)))
    one, two = (hasty.subscribe(ANALYTICS, WEBHOOKS, name) for name in ("one", "two"))
    taken = await one.take(11)
    await one.acknowledge(positions(taken[1:3]))
    again = await until(lambda: two.take(100))
    assert names(again) == [str(number) for number in (0, *range(3, 12))]
    assert [one.attempt for one in again] == [2] * 9 + [1]


async def test_a_consumer_that_was_replaced_can_settle_nothing(hasty: AnyLogs) -> None:
    await hasty.publish(ANALYTICS, events("a"))
    one, two = (hasty.subscribe(ANALYTICS, WEBHOOKS, name) for name in ("one", "two"))
    (taken,) = await one.take(1)
    await until(lambda: two.take(1))
    for settle in (
        one.renew(),
        one.acknowledge([taken.position]),
        one.postpone(taken.position, 0.0),
        one.bury(taken, "late"),
    ):
        with pytest.raises(LeaseLost):
            await settle
    await one.leave()
    await two.acknowledge([taken.position])
    assert await hasty.dead() == []


async def test_a_consumer_that_renews_stays_active(hasty: AnyLogs) -> None:
    await hasty.publish(ANALYTICS, events("a"))
    one, two = (hasty.subscribe(ANALYTICS, WEBHOOKS, name) for name in ("one", "two"))
    await one.take(1)
    for _ in range(10):
        await asyncio.sleep(LEASE_S / 6)
        await one.renew()
        assert await two.take(1) == []


async def test_a_lease_that_ran_out_unnoticed_is_still_good(hasty: AnyLogs) -> None:
    await hasty.publish(ANALYTICS, events("a", "b"))
    one = hasty.subscribe(ANALYTICS, WEBHOOKS, "one")
    taken = await one.take(1)
    await asyncio.sleep(LEASE_S * 2)
    await one.acknowledge(positions(taken))
    assert names(await one.take(5)) == ["b"]


async def test_an_event_that_killed_its_consumer_twice_comes_alone(logs: AnyLogs) -> None:
    await logs.publish(ANALYTICS, events("a", "b", "c", "d"))
    for attempt in (1, 2):
        killed = logs.subscribe(ANALYTICS, WEBHOOKS, f"killed {attempt}")
        assert names(await killed.take(3)) == ["a", "b", "c"]
        await killed.leave()
    last = logs.subscribe(ANALYTICS, WEBHOOKS, "last")
    found = [await last.take(10) for _ in range(5)]
    assert [names(one) for one in found] == [["a"], ["b"], ["c"], ["d"], []]
    assert [one[0].attempt for one in found[:4]] == [3, 3, 3, 1]


async def test_an_event_that_is_postponed_again_and_again_holds_up_no_other(logs: AnyLogs) -> None:
    await logs.publish(ANALYTICS, events("a", "b"))
    one = logs.subscribe(ANALYTICS, WEBHOOKS, "one")
    for attempt in range(1, 5):
        taken = await until(lambda: one.take(5))
        assert [(delivery.event.event_id, delivery.attempt) for delivery in taken] == [("a", attempt), ("b", attempt)]
        for delivery in taken:
            await one.postpone(delivery.position, 0.0)
    await logs.publish(ANALYTICS, events("new"))
    assert names(await one.take(5)) == ["a", "b", "new"]


# -- outcomes ----------------------------------------------------------------------------------------------------------
async def test_a_postponed_event_comes_again_after_its_delay_and_later_ones_before(logs: AnyLogs) -> None:
    await logs.publish(ANALYTICS, events("a", "b"))
    one = logs.subscribe(ANALYTICS, WEBHOOKS, "one")
    (first,) = await one.take(1)
    await one.postpone(first.position, 0.2)
    assert names(await one.take(5)) == ["b"]
    (again,) = await until(lambda: one.take(5))
    assert (again.event, again.attempt) == (first.event, 2)


async def test_a_postponed_event_keeps_its_delay_when_another_consumer_takes_over(logs: AnyLogs) -> None:
    await logs.publish(ANALYTICS, events("a"))
    one, two = (logs.subscribe(ANALYTICS, WEBHOOKS, name) for name in ("one", "two"))
    (taken,) = await one.take(1)
    await one.postpone(taken.position, 60.0)
    await one.leave()
    assert await two.take(1) == []


async def test_acknowledging_twice_or_something_unknown_changes_nothing(logs: AnyLogs) -> None:
    await logs.publish(ANALYTICS, events("a"))
    one = logs.subscribe(ANALYTICS, WEBHOOKS, "one")
    taken = await one.take(1)
    for _ in range(2):
        await one.acknowledge([*positions(taken), "99999999"])
    await one.postpone(taken[0].position, 0.0)
    assert await one.take(5) == []


async def test_a_dead_event_is_listed_with_its_reason_and_can_be_sent_to_its_group_again(logs: AnyLogs) -> None:
    await logs.publish(ANALYTICS, events("a", "b"))
    one = logs.subscribe(ANALYTICS, WEBHOOKS, "one")
    taken = await one.take(2)
    await one.bury(taken[0], "refused")
    await one.acknowledge(positions(taken[1:]))
    (dead,) = await logs.dead()
    assert (dead.log, dead.group, dead.reason, dead.attempts) == (ANALYTICS, WEBHOOKS, "refused", 1)
    assert dead.event == taken[0].event
    await acknowledge_all(logs, groups=[ANALYTICS_WORKERS])
    for _ in range(2):  # it may die again
        assert await logs.retry([dead.dead_id, "unknown"]) == 1
        assert await logs.dead() == []
        (again,) = await one.take(5)
        assert again.event == taken[0].event
        await one.bury(again, "refused")
        assert await logs.subscribe(ANALYTICS, ANALYTICS_WORKERS, "other").take(5) == []


async def test_an_event_that_is_buried_again_is_one_dead_event_and_the_oldest_are_dropped(logs: AnyLogs) -> None:
    one = logs.subscribe(ANALYTICS, WEBHOOKS, "one")
    await logs.publish(ANALYTICS, events(*range(8)))
    taken = await one.take(8)
    for delivery in (*taken, taken[7]):
        await one.bury(delivery, "bad")
    assert [dead.event.event_id for dead in await logs.dead()] == ["3", "4", "5", "6", "7"]
    assert await logs.retry([f"{WEBHOOKS}:0"]) == 0
    assert len(await logs.dead(2)) == 2


# -- capacity ----------------------------------------------------------------------------------------------------------
async def test_a_log_full_of_events_that_one_group_has_not_read_takes_none_and_drops_none(logs: AnyLogs) -> None:
    await logs.publish(ANALYTICS, events(*range(20)))
    await acknowledge_all(logs, groups=[ANALYTICS_WORKERS])
    with pytest.raises(Overloaded):
        await logs.publish(ANALYTICS, events("more"))
    await logs.publish(LTM, [event("elsewhere", type="ltm")])
    behind = logs.subscribe(ANALYTICS, WEBHOOKS, "behind")
    taken = await behind.take(100)
    assert names(taken) == [str(number) for number in range(20)]
    with pytest.raises(Overloaded):
        await logs.publish(ANALYTICS, events("more"))
    await behind.acknowledge(positions(taken[2:3]))
    await logs.publish(ANALYTICS, events("more"))
    with pytest.raises(Overloaded):
        await logs.publish(ANALYTICS, events("too much"))
    assert names(await behind.take(5)) == ["more"]
    await behind.leave()
    left = [*map(str, (0, 1, *range(3, 20))), "more"]
    assert names(await logs.subscribe(ANALYTICS, WEBHOOKS, "next").take(100)) == left


async def test_events_behind_one_that_is_postponed_for_long_make_room(logs: AnyLogs) -> None:
    await logs.publish(ANALYTICS, events("late"))
    one = logs.subscribe(ANALYTICS, WEBHOOKS, "one")
    (late,) = await one.take(1)
    await one.postpone(late.position, 3_600.0)
    for number in range(60):
        await logs.publish(ANALYTICS, events(number))
        await one.acknowledge(positions(await one.take(100)))
        await acknowledge_all(logs, groups=[ANALYTICS_WORKERS])
    await one.postpone(late.position, 0.0)
    assert names(await until(lambda: one.take(5))) == ["late"]


async def test_a_take_whose_reply_was_lost_is_made_good_by_the_next(logs: AnyLogs) -> None:
    await logs.publish(ANALYTICS, events(*"abcd"))
    one = logs.subscribe(ANALYTICS, WEBHOOKS, "one")
    (held,) = await one.take(1)
    one._held.clear()  # pyright: ignore[reportAttributeAccessIssue] -- as if the reply had not come
    assert names(await one.take(2)) == ["a", "b"]
    assert names(await one.take(5)) == ["c", "d"]
    await one.acknowledge([held.position])
    assert await one.take(5) == []


async def test_what_was_not_settled_comes_again_after_leaving_to_the_same_consumer(logs: AnyLogs) -> None:
    await logs.publish(ANALYTICS, events("a", "b"))
    one = logs.subscribe(ANALYTICS, WEBHOOKS, "one")
    assert names(await one.take(5)) == ["a", "b"]
    assert await one.take(5) == []
    await one.leave()
    assert [(delivery.event.event_id, delivery.attempt) for delivery in await one.take(5)] == [("a", 2), ("b", 2)]


async def test_acknowledged_events_are_kept_up_to_the_capacity(logs: AnyLogs) -> None:
    for number in range(50):
        await logs.publish(ANALYTICS, events(number))
        await acknowledge_all(logs)
    kept = names(await logs.tail(ANALYTICS, limit=100))
    assert len(kept) <= LONG.capacity
    assert kept == [str(number) for number in range(50 - len(kept), 50)]


async def test_an_event_that_left_the_log_can_be_published_again(logs: AnyLogs) -> None:
    for number in range(21):
        await logs.publish(ANALYTICS, events(number))
        await acknowledge_all(logs)
    await logs.publish(ANALYTICS, events(0))
    assert names(await logs.subscribe(ANALYTICS, WEBHOOKS, "one").take(5)) == ["0"]


class Model:
    """What must hold for one group, whatever is done: nothing is lost, nothing comes after its acknowledgement."""

    def __init__(self) -> None:
        self.published: list[str] = []
        self.settled: set[str] = set()
        self.seen: list[str] = []

    def take(self, taken: Sequence[Delivery]) -> None:
        found = names(taken)
        assert not self.settled & set(found)
        self.seen += [name for name in found if name not in self.seen]
        assert self.seen == self.published[: len(self.seen)]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(1, 6)),
        st.tuples(st.just("take"), st.integers(1, 8)),
        st.tuples(st.just("acknowledge"), st.integers(0, 100)),
        st.tuples(st.just("change"), st.integers(0, 1)),
    ),
    max_size=30,
)
NUMBERS = itertools.count()


@given(steps=STEPS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_is_done_no_event_is_lost_or_comes_after_its_acknowledgement(
    logs: AnyLogs, steps: list[tuple[str, int]]
) -> None:
    await acknowledge_all(logs)
    model, held = Model(), list[Delivery]()
    one: Subscription = logs.subscribe(ANALYTICS, WEBHOOKS, "0")
    for what, number in steps:
        if what == "publish":
            fresh = [str(next(NUMBERS)) for _ in range(number)]
            try:
                await logs.publish(ANALYTICS, events(*fresh))
            except Overloaded:
                assert len(model.published) - len(model.settled) + number > 0
            else:
                model.published += fresh
            await acknowledge_all(logs, groups=[ANALYTICS_WORKERS])
        elif what == "take":
            taken = await one.take(number)
            model.take(taken)
            held += taken
        elif what == "acknowledge" and held:
            done = held.pop(number % len(held))
            await one.acknowledge([done.position])
            model.settled.add(done.event.event_id)
        elif what == "change":
            await one.leave()
            one, held = logs.subscribe(ANALYTICS, WEBHOOKS, "next"), []
    await one.leave()
    last = logs.subscribe(ANALYTICS, WEBHOOKS, "last")
    while taken := await last.take(7):
        model.take(taken)
        await last.acknowledge(positions(taken))
        model.settled |= set(names(taken))
    assert model.settled == set(model.published)
    await last.leave()


# -- looks -------------------------------------------------------------------------------------------------------------
async def test_lags_tell_what_is_unread_and_pending_and_how_old_it_is(logs: AnyLogs) -> None:
    for lag in await logs.lags():
        assert (lag.unread, lag.pending, lag.oldest_s) == (0, 0, 0.0)
    await logs.publish(ANALYTICS, events("a", "b", "c"))
    one = logs.subscribe(ANALYTICS, WEBHOOKS, "one")
    taken = await one.take(2)
    await asyncio.sleep(1.1)
    lags = {lag.group: lag for lag in await logs.lags()}
    assert (lags[WEBHOOKS].unread, lags[WEBHOOKS].pending) == (1, 2)
    assert (lags[ANALYTICS_WORKERS].unread, lags[ANALYTICS_WORKERS].pending) == (3, 0)
    assert lags[WEBHOOKS].oldest_s > 0
    await one.acknowledge(positions([*taken, *await one.take(1)]))
    lags = {lag.group: lag for lag in await logs.lags()}
    assert (lags[WEBHOOKS].unread, lags[WEBHOOKS].pending, lags[WEBHOOKS].oldest_s) == (0, 0, 0.0)
    assert (lags[LTM_WORKERS].log, lags[LTM_WORKERS].unread) == (LTM, 0)


async def test_the_tail_shows_the_newest_events_and_those_behind_a_position(logs: AnyLogs) -> None:
    await logs.publish(ANALYTICS, events(*"abcde"))
    newest = await logs.tail(ANALYTICS, limit=3)
    assert names(newest) == ["c", "d", "e"]
    assert names(await logs.tail(ANALYTICS, newest[0].position, 1)) == ["d"]
    assert await logs.tail(ANALYTICS, newest[2].position) == []
    assert await logs.tail(LTM) == []
