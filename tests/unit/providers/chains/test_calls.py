"""The queue of engines of one call, and the time of its first result."""

from __future__ import annotations

import pytest

from antiphon.clock import VirtualClock
from antiphon.errors import ProviderUnavailable
from antiphon.ports.breakers import Endpoint, Ticket
from antiphon.providers.chains.calls import CallQueue, EngineCall


@pytest.mark.parametrize(
    ("extra_s", "wait_s", "first_s"), [(0.0, 2.0, 2.0), (0.5, 2.0, 1.5), (3.0, 2.0, 0.0), (0.0, 0.0, 0.0)]
)
def test_the_first_result_takes_its_time_beyond_the_extra(extra_s: float, wait_s: float, first_s: float) -> None:
    clock = VirtualClock()
    call = EngineCall(clock, extra_s)
    clock.advance(60)  # it waits for room, which is no time of the engine
    assert (call.first_s(), call.delivered) == (0.0, False)
    call.begin()
    clock.advance(wait_s)
    assert (call.first_s(), call.delivered) == (first_s, False)
    call.deliver()
    assert call.delivered
    clock.advance(60)
    call.deliver()
    assert call.first_s() == first_s, "only the first result counts"


class Circuits:
    """Admits all engines but those whose circuit is open."""

    def __init__(self, *open_ones: int) -> None:
        self._open = open_ones
        self.asked: list[int] = []

    async def admit(self, index: int) -> Ticket | None:
        self.asked.append(index)
        if index in self._open:
            raise ProviderUnavailable("its circuit is open")
        return Ticket(Endpoint(f"llm:{index}"), generation=1) if index else None


async def drained(queue: CallQueue) -> list[int]:
    """Return the engines that are left, in order."""
    left: list[int] = []
    while (admitted := await queue.next()) is not None:
        left.append(admitted[0])
    return left


@pytest.mark.parametrize(
    ("order", "open_ones", "left"),
    [
        ([], (), []),
        ([2, 0, 1], (), [2, 0, 1]),
        ([2, 0, 1], (2,), [0, 1]),
        ([0, 1], (0, 1), []),
        ([0, 1, 2], (1,), [0, 2]),
    ],
)
async def test_engines_come_in_order_without_those_whose_circuit_is_open(
    order: list[int], open_ones: tuple[int, ...], left: list[int]
) -> None:
    circuits = Circuits(*open_ones)
    queue = CallQueue(order, circuits.admit)
    assert bool(queue) is bool(order)
    assert await drained(queue) == left
    assert circuits.asked == order, "each is asked once"
    assert not queue
    assert await queue.next() is None


async def test_the_next_engine_is_admitted_when_it_is_looked_at_and_comes_with_that_ticket() -> None:
    circuits = Circuits(0)
    queue = CallQueue([0, 1, 2], circuits.admit)
    assert circuits.asked == []
    assert await queue.has_next()
    assert await queue.has_next()
    assert circuits.asked == [0, 1]
    assert bool(queue)
    assert await queue.next() == (1, Ticket(Endpoint("llm:1"), generation=1))
    assert circuits.asked == [0, 1]
    assert await drained(queue) == [2]
    assert not await queue.has_next()


async def test_another_error_of_the_circuit_rises() -> None:
    async def broken(_: int) -> Ticket | None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await CallQueue([0], broken).has_next()
