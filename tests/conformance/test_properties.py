"""The properties of the platform over a real Valkey: many examples each, two processes' worth of adapters."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from antiphon.bus.limits import PipeLimit
from antiphon.bus.redis.bus import RedisBus
from antiphon.entities.capabilities import Capabilities
from antiphon.entities.chat import ChatEvent, ChatMessage, ChatRequest, TextDelta
from antiphon.entities.speech import Pcm, SpeechChunk
from antiphon.errors import NotFound, ProviderUnavailable
from antiphon.ports.breakers import Endpoint, Ticket
from antiphon.ports.sessions import Change
from antiphon.ports.tts import SpeakOptions
from antiphon.providers.chains.kinds import LlmChain, TtsChain
from antiphon.resilience.breaker import BreakerRule
from antiphon.state.redis.breakers import RedisBreakers
from antiphon.state.redis.sessions import RedisSessions
from antiphon.wire.entries import AudioReady, TextReady, TranscriptReady
from antiphon.wire.jobs import Job, Respond, Speak
from antiphon.workers import loop
from antiphon.workers.respond import Responder
from antiphon.workers.speak import Speaker
from tests.conformance.redis_time import AgedConnection, let_pass
from tests.options import queue_limit, worker_options

EXAMPLES = 100
LIVENESS_S = 30.0
LOOK_S = 1.0
"""So often adapters look for what no wake-up has told them."""
STEP_S = 0.02


@dataclass
class Side:
    """What one process has of Redis."""

    connection: AgedConnection
    bus: RedisBus
    sessions: RedisSessions


@pytest.fixture
async def sides(redis_url: str) -> AsyncIterator[tuple[Side, Side]]:
    made: list[Side] = []
    for _ in range(2):
        connection = AgedConnection(redis_url)
        if not made:
            await connection.command("FLUSHDB")
        bus = RedisBus(connection, queue_limit(), PipeLimit(64 * 1024, 64))
        await bus.start()
        made.append(Side(connection, bus, RedisSessions(connection, resume_window_s=LIVENESS_S, liveness_s=LIVENESS_S)))
    yield made[0], made[1]
    for side in made:
        await side.bus.close()
        await side.connection.close()


async def test_what_one_gateway_has_written_another_reads_at_once(sides: tuple[Side, Side]) -> None:
    here, there = sides
    chance = random.Random(1)

    for number in range(EXAMPLES):
        record = await here.sessions.claim("t", f"s{number}", "g1")
        items: dict[str, bytes] = {}
        for step in range(chance.randrange(1, 5)):
            fresh = {f"i{chance.randrange(9)}": chance.randbytes(chance.randrange(200)) for _ in range(3)}
            gone = [item_id for item_id in items if item_id not in fresh and chance.random() < 0.3]
            items = {item_id: data for item_id, data in (items | fresh).items() if item_id not in gone}
            last = Change(chance.randbytes(100), step, chance.randbytes(10), fresh, gone)
            await here.sessions.save(record, last)
        _, saved = await there.sessions.resume("t", f"s{number}", "g2")
        assert (saved.snapshot, saved.position, saved.jobs) == (last.snapshot, last.position, last.jobs)
        assert saved.items == items


async def test_audio_comes_in_the_order_it_was_made_without_gap_or_double(sides: tuple[Side, Side]) -> None:
    here, there = sides
    chance = random.Random(2)
    for number in range(EXAMPLES):
        pieces = [chance.randbytes(chance.randrange(1, 4000)) for _ in range(chance.randrange(1, 90))]

        async def write(pipe: str, pieces: list[bytes]) -> None:
            at = 0
            while at < len(pieces):
                size = chance.randrange(1, 9)
                await there.bus.write(pipe, [AudioReady("j", piece) for piece in pieces[at : at + size]])
                at += size

        writer = asyncio.create_task(write(f"p{number}", pieces))
        heard: list[bytes] = []
        expected = 0
        while len(heard) < len(pieces):  # now and then the reader is lost, and another continues
            entries = here.bus.read(f"p{number}", after=len(heard))
            for _ in range(chance.randrange(1, 40)):
                if len(heard) == len(pieces):
                    break
                position, entry = await anext(entries)
                expected += 1
                assert position == expected
                assert isinstance(entry, AudioReady)
                heard.append(entry.audio)
            await entries.aclose()
        await writer
        assert heard == pieces
        await here.bus.drop(f"p{number}")


async def test_a_transcript_wakes_its_reader_long_before_that_looks_itself(sides: tuple[Side, Side]) -> None:
    here, there = sides

    took: list[float] = []
    for number in range(EXAMPLES):
        entries = here.bus.read(f"t{number}")
        waiting = asyncio.ensure_future(anext(entries))
        await asyncio.sleep(0.002)
        begin = time.perf_counter()
        await there.bus.write(f"t{number}", [TranscriptReady("j", "hello", "en", 1.0)])
        await waiting
        took.append(time.perf_counter() - begin)
        await entries.aclose()
    assert sorted(took)[EXAMPLES // 2] < LOOK_S / 2


class Endless:
    """A model and a voice in one that never end by themselves; they note what they do for each example."""

    capabilities = Capabilities("endless", streams=True)

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        """Calls and results."""
        self.at_work: Counter[str] = Counter()

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def respond(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        with self._called(request.messages[-1].text) as step:
            while True:
                await step()
                yield TextDelta("This is a sentence of several words. ")

    async def synthesize(self, text: str, options: SpeakOptions) -> AsyncIterator[SpeechChunk]:
        with self._called(options.voice) as step:
            for _ in range(3):  # the next sentence is another call
                await step()
                yield SpeechChunk(Pcm(bytes(4800), 24_000), text)

    @contextmanager
    def _called(self, example: str) -> Iterator[Callable[[], Awaitable[None]]]:
        async def step() -> None:
            await asyncio.sleep(STEP_S)
            self.spent[example] += 1

        self.spent[example] += 1
        self.at_work[example] += 1
        try:
            yield step
        finally:
            self.at_work[example] -= 1


async def cancel_somewhere(side: Side, engine: Endless, name: str, chance: random.Random) -> int:
    """Cancel an answer that waits, is written, or is spoken; returns how much was spent on it by then."""
    bus = side.bus
    out, sentences = f"t:t:session:{{{name}}}", f"t:t:speech:{{{name}}}"
    seen: dict[type, asyncio.Event] = {TextReady: asyncio.Event(), AudioReady: asyncio.Event()}

    async def listen() -> None:
        async for _, entry in bus.read(out):
            if type(entry) in seen:
                seen[type(entry)].set()

    listening = asyncio.create_task(listen())
    request = ChatRequest((ChatMessage("user", name),))
    jobs = (
        Job(f"{name}.1", "speak", Speak(voice=name), out, input=sentences),
        Job(f"{name}.2", "respond", Respond(request, sentences), out),
    )
    for job in jobs:
        await bus.submit(job)
    if (phase := chance.choice([None, TextReady, AudioReady])) is not None:
        await seen[phase].wait()
    await asyncio.sleep(chance.random() * STEP_S)
    await asyncio.gather(*(bus.cancel(job.id) for job in jobs))
    then = engine.spent[name]
    while engine.at_work[name] or await bus.depth("speak") + await bus.depth("respond"):
        await asyncio.sleep(STEP_S)
    listening.cancel()
    return then


async def test_a_cancel_ends_the_model_and_the_voice_within_a_few_steps_and_nothing_comes_behind(
    sides: tuple[Side, Side],
) -> None:
    here, there = sides
    chance = random.Random(5)
    engine = Endless()
    respond, speak = Responder(LlmChain([engine])).handle, Speaker(TtsChain([engine])).handle
    workers = [
        asyncio.create_task(loop.run(there.bus, "respond", respond, "model", worker_options(), concurrency=20)),
        asyncio.create_task(loop.run(there.bus, "speak", speak, "voice", worker_options(), concurrency=20)),
    ]
    names = [f"e{number}" for number in range(EXAMPLES)]
    spent: list[int] = []
    for begin in range(0, EXAMPLES, 20):
        wave = (cancel_somewhere(here, engine, name, chance) for name in names[begin : begin + 20])
        spent += await asyncio.gather(*wave)
    assert not engine.at_work.total()
    more = [engine.spent[name] - then for name, then in zip(names, spent, strict=True)]
    assert sorted(more)[-6] < LOOK_S / STEP_S / 2, "a wake-up has ended them"
    ended, tails = engine.spent.copy(), [await here.bus.tail(f"t:t:session:{{{name}}}") for name in names]
    await asyncio.sleep(STEP_S * 5)
    assert engine.spent == ended, "none begins anew"
    assert [await here.bus.tail(f"t:t:session:{{{name}}}") for name in names] == tails, "and nothing comes behind"
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)


async def test_a_circuit_lets_one_probe_through_after_its_time_and_closes_when_that_succeeds(
    sides: tuple[Side, Side], redis_url: str
) -> None:
    chance = random.Random(8)
    rule = BreakerRule(failures=3, open_s=30.0, slow_s=1.0, probe_s=60.0)
    breakers = [RedisBreakers(side.connection, rule) for side in sides]

    async def tries(endpoint: Endpoint) -> Ticket | None:
        try:
            return await chance.choice(breakers).admit(endpoint)
        except ProviderUnavailable:
            return None

    async def trip(endpoint: Endpoint) -> None:
        for _ in range(rule.failures):
            ticket = await tries(endpoint)
            assert ticket is not None
            is_slow = chance.random() < 0.5
            await chance.choice(breakers).report(ticket, is_slow, took_s=2.0 if is_slow else 0.0)

    async def probe(endpoint: Endpoint, *, ok: bool) -> None:
        tickets = [await tries(endpoint) for _ in range(4)]
        (ticket,) = [ticket for ticket in tickets if ticket is not None]
        assert ticket.is_probe
        await chance.choice(breakers).report(ticket, ok, took_s=0.0)

    endpoints = [Endpoint(f"llm:{number}", is_shared=True) for number in range(EXAMPLES)]
    for begin in range(0, EXAMPLES, 10):  # more at once may wait for longer than breakers wait for Redis
        await asyncio.gather(*(trip(endpoint) for endpoint in endpoints[begin : begin + 10]))
    for ok in (False, False, True):
        assert [await tries(endpoint) for endpoint in endpoints] == [None] * EXAMPLES, "all are open"
        let_pass(redis_url, rule.open_s + 1)
        for begin in range(0, EXAMPLES, 10):
            await asyncio.gather(*(probe(endpoint, ok=ok) for endpoint in endpoints[begin : begin + 10]))
    for endpoint in endpoints:
        assert None not in [await tries(endpoint) for _ in range(4)], "it is closed for all"


async def test_sessions_without_a_heartbeat_expire_and_are_cleaned_up(sides: tuple[Side, Side], redis_url: str) -> None:
    here, there = sides
    records = [await here.sessions.claim("t", f"s{number}", "g1") for number in range(EXAMPLES)]
    for record in records:
        await here.sessions.save(record, Change(record.session_id.encode(), 0, items={"i": b"1"}, events=b"said"))
    alive = records[::10]
    over: list[str] = []
    for _ in range(4):
        let_pass(redis_url, LIVENESS_S * 0.8)
        for side in sides:
            side.connection.aged_s += LIVENESS_S * 0.8
        for record in alive:
            await here.sessions.heartbeat(record)
        found = [one for side in sides async for one in side.sessions.expired()]
        assert all(one.snapshot.decode() == one.session_id for one in found)
        over += [one.session_id for one in found]
    assert len(over) == len(set(over)) == EXAMPLES - len(alive), "each is cleaned up once"
    assert not set(over) & {record.session_id for record in alive}
    for session_id in over:
        assert await there.sessions.find("t", session_id) is None
        with pytest.raises(NotFound):
            await there.sessions.resume("t", session_id, "g2")
    keys = await here.connection.command("KEYS", "t:*")
    assert {key.decode().split("{")[1].split("}")[0] for key in keys} == {record.session_id for record in alive}
