"""Gateways that are killed, stopped and replaced while clients talk: the sessions go on, nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pybase64
import pytest
import redis
import websockets
from msgspec import UNSET
from msgspec.structs import replace

from antiphon.client import Session, SessionLost, connect
from antiphon.wire.realtime_client import ConversationItemRetrieve
from antiphon.wire.realtime_items import Message
from antiphon.wire.realtime_server import (
    ConversationItemDone,
    ConversationItemRetrieved,
    Error,
    ResponseDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioTranscriptDelta,
    ServerEvent,
)
from tests.dubbing import worker
from tests.fleet import Fleet, Member, fleet
from tests.serving import Client, recording, silence

WORDS, WORD_MS = 30, 100
SPEECH_BYTES = WORDS * WORD_MS * 48
SLOW = {"stub_llm_words": WORDS, "stub_llm_wps": 20, "stub_tts_ms_per_word": WORD_MS}


class Stand:
    """Workers, and two gateways that are there at the beginning of every test."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.worker = fleet.worker("transcribe", "score", "respond", "speak")
        self.gateways = [fleet.gateway(), fleet.gateway()]

    def whole(self) -> list[Member]:
        """Replace who is gone, and return the gateways."""
        self.gateways = [self.fleet.gateway() if one.is_gone else one for one in self.gateways]
        assert all(member.url for member in (self.worker, *self.gateways))
        return self.gateways


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with fleet(llm_workers=60, tts_workers=60, **SLOW) as made:
        yield Stand(made)


@pytest.fixture
def gateways(stand: Stand) -> list[Member]:
    return stand.whole()


@dataclass
class Heard:
    """What one client got of one answer."""

    ids: list[str] = field(default_factory=list[str])
    audio_bytes: int = 0
    words: str = ""
    errors: list[str] = field(default_factory=list[str])
    items: list[Message] = field(default_factory=list[Message])

    def note(self, event: ServerEvent) -> None:
        self.ids.append(event.event_id)
        match event:
            case ResponseOutputAudioDelta():
                self.audio_bytes += len(pybase64.b64decode(event.delta))
            case ResponseOutputAudioTranscriptDelta():
                self.words += event.delta
            case ConversationItemDone():
                assert isinstance(event.item, Message)
                self.items.append(event.item)
            case Error():
                self.errors.append(event.error.message)
            case _:
                pass


async def turn(session: Session, heard: Heard, begun: asyncio.Event | None = None) -> ResponseDone:
    """Ask something and hear the answer to its end."""
    await session.say("tell me")
    await session.respond()
    heard.words, heard.audio_bytes = "", 0
    async for event in session:
        assert isinstance(event, ServerEvent)
        heard.note(event)
        if isinstance(event, ResponseOutputAudioDelta) and begun is not None:
            begun.set()
        if isinstance(event, ResponseDone):
            return event
    raise AssertionError("the session ended")


def check(done: ResponseDone, heard: Heard) -> None:
    """The answer is whole, and everything came once."""
    assert done.response.status == "completed"
    (message,) = done.response.output
    assert isinstance(message, Message)
    assert heard.words == message.content[0].transcript
    assert heard.audio_bytes == SPEECH_BYTES
    assert heard.ids == sorted(set(heard.ids))
    assert not heard.errors


async def talking(urls: list[str], turns: int, begun: asyncio.Event) -> int:
    """One client's conversation; returns how often it had to come back."""
    heard = Heard()
    async with connect(*urls, reconnect_timeout_s=20) as session:
        for _ in range(turns):
            check(await turn(session, heard, begun), heard)
        assert len(heard.items) == 2 * turns
        for item in heard.items:
            await session.send(ConversationItemRetrieve(item_id=str(item.id)))
            found = (await session.until(ConversationItemRetrieved)).item
            assert isinstance(found, Message)
            shown = replace(found, content=tuple(replace(part, audio=UNSET) for part in found.content))
            assert shown == item, "the conversation is the one that the client knows"
        return session.resumptions


async def test_sessions_of_a_gateway_that_is_killed_go_on_at_another(gateways: list[Member]) -> None:
    urls = [gateway.url for gateway in gateways]
    begun = [asyncio.Event() for _ in range(10)]
    talks = [asyncio.create_task(talking(urls, 2, event)) for event in begun]
    async with asyncio.timeout(60):
        await asyncio.gather(*(event.wait() for event in begun))
        gateways[0].kill()
        came_back = await asyncio.gather(*talks)
    assert came_back == [1] * 10


async def test_a_gateway_that_only_slept_finds_its_sessions_taken(gateways: list[Member]) -> None:
    begun = asyncio.Event()
    heard = Heard()
    async with connect(
        gateways[0].url, gateways[1].url, reconnect_timeout_s=20, ping_interval=0.2, ping_timeout=0.5
    ) as session:
        asking = asyncio.create_task(turn(session, heard, begun))
        await begun.wait()
        async with asyncio.timeout(20):
            with gateways[0].asleep():
                done = await asking
            check(done, heard)
            assert session.resumptions == 1
            check(await turn(session, heard), heard)


async def test_a_rolling_restart_cuts_no_turn(gateways: list[Member]) -> None:
    urls = [gateway.url for gateway in gateways]
    begun = [asyncio.Event() for _ in range(10)]
    talks = [asyncio.create_task(talking(urls, 3, event)) for event in begun]
    async with asyncio.timeout(60):
        await asyncio.gather(*(event.wait() for event in begun))
        assert await asyncio.to_thread(gateways[0].terminate) == 0
        assert 1 in await asyncio.gather(*talks)


async def test_a_turn_that_is_spoken_while_its_gateway_is_killed_is_heard_whole(gateways: list[Member]) -> None:
    question = recording("spk1_snt4.wav")
    spoken: list[int] = []
    for is_killed in (False, True):
        async with connect(gateways[0].url, gateways[1].url, reconnect_timeout_s=20) as session:
            heard = asyncio.create_task(session.until(ResponseDone))
            for at in range(0, len(question), 4800):
                await session.append(question[at : at + 4800])
                await asyncio.sleep(0.05)
                if is_killed and at // 4800 == len(question) // 9600:
                    gateways[0].kill()
            for _ in range(15):
                await session.append(silence(0.1))
                await asyncio.sleep(0.05)
            async with asyncio.timeout(20):
                done = await heard
            assert done.response.status == "completed"
            assert session.resumptions == is_killed
            spoken.append(done.response.usage.input_token_details.audio_tokens)
    assert spoken[0] == spoken[1], "as much was heard"


async def guest(url: str, is_here: asyncio.Event) -> int:
    """Open a session in which nobody says anything; returns the close code."""
    async with websockets.connect(url) as socket:
        await socket.recv()
        is_here.set()
        async with asyncio.timeout(60):
            await socket.wait_closed()
        return socket.close_code or 0


async def dubber(url: str, is_here: asyncio.Event) -> None:
    """Begin a stream of dubbing, and return when the server has ended its connection."""
    async with worker(url) as one:
        await one.begin()
        is_here.set()
        await one.ended(60)


async def test_whatever_a_hundred_clients_do_a_drain_closes_and_cleans_everything_within_30_s(
    stand: Stand, gateways: list[Member]
) -> None:
    chance = random.Random(6)
    ids: set[str] = set()
    under_way = 0

    async def visit(number: int, is_here: asyncio.Event) -> tuple[int, list[str]]:
        """Do something or nothing; returns the close code, and how answers ended."""
        nonlocal under_way
        async with websockets.connect(f"{gateways[0].ws}/v1/realtime?model=m", max_size=None) as socket:
            client = Client(socket)
            ids.add((await client.until("session.created"))["session"]["id"])
            match number % 5:
                case 0:
                    await client.append(recording("spk1_snt4.wav")[: chance.randrange(2, 40_000, 2)])
                case 1:
                    await client.say_text("tell me")
                    await client.send("response.create")
                    await client.until("response.created")
                    under_way += 1
                case 2:
                    await client.say_text("tell me")
                    await client.send("response.create")
                    await client.send("response.cancel")
                case 3:
                    await client.configure(instructions="be kind")
                case _:
                    pass
            is_here.set()
            with contextlib.suppress(websockets.ConnectionClosed):
                while True:
                    await client.receive(within_s=60)
            code = socket.close_code or 0
            return code, [one["response"]["status"] for one in client.events if one["type"] == "response.done"]

    here = [asyncio.Event() for _ in range(100)]
    visits = [asyncio.create_task(visit(number, event)) for number, event in enumerate(here)]
    others = [asyncio.Event() for _ in range(6)]
    paths = ("/v1/realtime?intent=transcription", "/v1/realtime/translations")
    guests = [
        asyncio.create_task(guest(gateways[0].ws + paths[number % 2], event)) for number, event in enumerate(others[:4])
    ]
    dubbers = [asyncio.create_task(dubber(gateways[0].url, event)) for event in others[4:]]
    async with asyncio.timeout(60):
        await asyncio.gather(*(event.wait() for event in (*here, *others)))
        begin = time.monotonic()
        assert await asyncio.to_thread(gateways[0].terminate) == 0
        ended = await asyncio.gather(*visits)
        assert set(await asyncio.gather(*guests)) == {1012}
        await asyncio.gather(*dubbers)
    assert {code for code, _ in ended} == {1012}
    assert under_way == 20
    assert [status for _, statuses in ended for status in statuses].count("completed") == under_way
    with redis.Redis.from_url(stand.fleet.valkey.url) as client:
        assert not await left_at_last(client, ids, by=begin + 30)
        assert not jobs_left(client)


def jobs_left(client: redis.Redis) -> dict[bytes, int]:
    """Return how many jobs are in each queue that has some; rows aside, which no member of this fleet writes."""
    streams = [key for key in client.keys("antiphon:queue:*") if client.type(key) == b"stream"]
    lengths = {key: client.xlen(key) for key in streams if b"{record}" not in key and not key.endswith(b":dead")}
    return {key: length for key, length in lengths.items() if length}


async def left_at_last(client: redis.Redis, session_ids: set[str], *, by: float) -> set[str]:
    """Wait until nothing is left of these sessions; returns what still is at ``by`` on the monotonic clock."""
    while (left := left_behind(client, session_ids)) and time.monotonic() < by:
        await asyncio.sleep(0.2)
    return left


def left_behind(client: redis.Redis, session_ids: set[str]) -> set[str]:
    """Return the keys of sessions; that a pipe is over is known for a while."""
    keys = {key.decode() for key in client.keys("t:default:*")}
    mine = {key for key in keys if any(session_id in key for session_id in session_ids)}
    return {key for key in mine if not (key.endswith(":pipe:state") and client.hexists(key, "over"))}


async def test_what_sessions_leave_behind_that_nobody_takes_up_is_cleared_away(
    stand: Stand, gateways: list[Member]
) -> None:
    with redis.Redis.from_url(stand.fleet.valkey.url) as client, client.pubsub() as changes:
        async with connect(gateways[0].url, reconnect_timeout_s=0.1) as session:
            await session.say("tell me")
            await session.respond()
            await session.until(ResponseOutputAudioDelta)
            changes.subscribe(f"t:default:session:{{{session.id}}}")
            gateways[0].kill()
            with pytest.raises(SessionLost):
                await session.until(ResponseDone)

        assert left_behind(client, {session.id})
        assert not await left_at_last(client, {session.id}, by=time.monotonic() + 45)
        told = []
        while (message := changes.get_message(timeout=0.2)) is not None:
            told.append(message["data"])
        assert any(b"session.closed" in data for data in told if isinstance(data, bytes))
