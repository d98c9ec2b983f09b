"""The bus in memory: copies or the things themselves, and no traces of the past."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc

import pytest

from antiphon.bus.embedded import EmbeddedBus
from antiphon.clock import VirtualClock
from antiphon.errors import NotFound
from antiphon.wire.entries import AudioReady, JobFailed, TextReady
from tests.options import embedded_bus
from tests.unit.bus.stage import job


def text(value: object) -> TextReady:
    return TextReady("j", str(value))


async def test_a_reader_that_comes_too_late_is_told_instead_of_skipping() -> None:
    bus = embedded_bus(pipe_entries=4)
    await bus.write("p", [text(number) for number in range(4)])
    reader = bus.read("p")
    for _ in range(4):
        await anext(reader)
    await bus.write("p", [text(4)])
    with pytest.raises(NotFound):
        await anext(bus.read("p"))
    assert await anext(bus.read("p", after=1)) == (2, text(1))
    await bus.close()


async def test_the_failure_of_an_exhausted_job_comes_even_into_a_full_pipe() -> None:
    bus = embedded_bus(pipe_entries=1, attempts=1)
    await bus.write("out:a", [text("partial")])
    await bus.submit(job("a"))
    await (await anext(bus.claim("speak", "w"))).release("busy")
    reader = bus.read("out:a")
    assert await anext(reader) == (1, text("partial"))
    _, failure = await anext(reader)
    assert isinstance(failure, JobFailed)
    assert (failure.code, failure.transient) == ("attempts_exhausted", True)
    assert failure.message == "failed after 1 attempts: busy"
    await bus.close()


async def test_strict_hands_out_copies_and_otherwise_the_thing_itself() -> None:
    entry = AudioReady("j", b"1234")
    for strict in (False, True):
        bus = embedded_bus(strict=strict)
        sent = job("a")
        await bus.submit(sent)
        await bus.write("p", [entry])
        claimed = (await anext(bus.claim("speak", "w"))).job
        _, read = await anext(bus.read("p"))
        assert (claimed, read) == (sent, entry)
        assert (claimed is sent, read is entry) == (not strict, not strict)
        await bus.close()


async def turn(bus: EmbeddedBus, name: str) -> None:
    """One job from submit to the drop of its pipe; every third one is cancelled."""
    await bus.submit(job(name))
    lease = await anext(bus.claim("speak", "w"))
    watching = asyncio.ensure_future(bus.cancelled(name, "speak"))
    await bus.write(lease.job.output, [text("hi")])
    assert await anext(bus.read(lease.job.output)) == (1, text("hi"))
    if name.endswith(("3", "6", "9")):
        await bus.cancel(name)
        await watching
    watching.cancel()
    await lease.acknowledge()
    await bus.cancel(name)
    await bus.drop(lease.job.output)


async def test_jobs_flags_and_pipes_of_the_past_do_not_pile_up() -> None:
    clock = VirtualClock()
    bus = embedded_bus(clock)
    for number in range(3000):
        await turn(bus, str(number))
        clock.advance(1)
    queues = bus._queues
    assert (queues._known, queues._leased, queues._delayed, queues._waiting["speak", "prompt"]) == ({}, {}, [], [])
    assert (queues.flags._up, queues.flags._watchers, len(queues.flags._early)) == (set(), {}, 0)
    assert bus._pipes == {}
    assert len(queues._ended) <= 301
    assert len(bus._dropped) <= 301
    await bus.close()


async def test_a_pipe_that_was_only_looked_at_leaves_nothing() -> None:
    bus = embedded_bus()
    reader = bus.read("p")
    waiting = asyncio.ensure_future(anext(reader))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    del reader, waiting
    await asyncio.sleep(0)  # the loop lets go of the cancelled task
    gc.collect()
    assert bus._pipes == {}
    await bus.close()


async def test_an_idle_reader_costs_little_memory() -> None:
    bus = embedded_bus()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    readers = [bus.read(f"p{number}") for number in range(1000)]
    per_reader = (tracemalloc.get_traced_memory()[0] - before) / 1000
    tracemalloc.stop()
    assert per_reader < 1024
    assert len(readers) == len(bus._pipes)
    await bus.close()
