"""Conversations over a fleet of real processes, some of which are killed meanwhile."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
import websockets

from antiphon.bus.dead_letters import DeadLetter
from tests.fleet import Fleet, Member, fleet
from tests.serving import Client, recording, silence

ATTEMPTS = 3
WORDS = 20
WORD_MS = 100
SPEECH_BYTES = WORDS * WORD_MS * 48
SLOW = {"stub_llm_words": WORDS, "stub_llm_wps": 20, "stub_tts_ms_per_word": WORD_MS, "stub_stt_ms": 500}
"""Turns that take their time, so that a worker can be killed in the middle."""


class Talk:
    """A conversation; knows what was heard of each answer."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._begin = 0

    async def ask(self, *, aloud: bool = False) -> None:
        """Say something that is answered."""
        self._begin = len(self.client.events)
        if aloud:
            await self.client.append(recording("spk1_snt4.wav") + silence(1))
        else:
            await self.client.say_text("tell me")
            await self.client.send("response.create")

    async def answer(self) -> tuple[str, int]:
        """Return how the answer ended, and the bytes of its speech."""
        async with asyncio.timeout(20):
            done = await self.client.until("response.done")
        kind = "response.output_audio.delta"
        deltas = [event["delta"] for event in self.client.events[self._begin :] if event["type"] == kind]
        return done["response"]["status"], sum(len(base64.b64decode(delta)) for delta in deltas)

    def words(self) -> str:
        """Return the words that came of the answer."""
        kind = "response.output_audio_transcript.delta"
        return "".join(event["delta"] for event in self.client.events[self._begin :] if event["type"] == kind)


class Stand:
    """Two gateways, and workers of each kind: all are there at the beginning of every test."""

    CREW = (
        ("transcribe", "score"),
        ("transcribe", "score"),
        ("respond", "persist"),
        ("speak",),
        ("speak",),
        ("speak",),
    )

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.gateways = [fleet.gateway(), fleet.gateway()]
        self.workers = {(number, roles): fleet.worker(*roles) for number, roles in enumerate(self.CREW)}

    @property
    def members(self) -> list[Member]:
        """Everybody."""
        return [*self.gateways, *self.workers.values()]

    @property
    def ears(self) -> list[Member]:
        """Those who transcribe."""
        return [worker for (_, roles), worker in self.workers.items() if "transcribe" in roles]

    def refill(self) -> None:
        """Put another in the place of everybody who is gone."""
        for place, worker in self.workers.items():
            if worker.is_gone:
                self.workers[place] = self.fleet.worker(*place[1])

    def whole(self) -> None:
        """Put another in the place of everybody who is gone, and wait until all are there."""
        self.refill()
        assert all(member.url for member in self.members)

    def until_held(self, queue: str, group: str) -> None:
        """Wait until somebody has a job of this queue in its hands."""
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(ValueError, StopIteration):
                if not self.fleet.holder(queue, group).is_gone:
                    return
            assert time.monotonic() < deadline, "nobody takes it"
            time.sleep(0.02)

    def replace(self, role: str) -> Member:
        """Return the one worker of this role; another begins to start."""
        ((place, worker),) = [(place, worker) for place, worker in self.workers.items() if role in place[1]]
        self.workers[place] = self.fleet.worker(*place[1])
        return worker


@pytest.fixture(scope="module")
def standing() -> Iterator[Stand]:
    with fleet(redis_timeout_s=2, **SLOW) as made:
        yield Stand(made)


@pytest.fixture
def stand(standing: Stand) -> Stand:
    standing.whole()
    return standing


@contextlib.asynccontextmanager
async def talk(gateway: Member) -> AsyncIterator[Talk]:
    async with websockets.connect(f"{gateway.ws}/v1/realtime?model=gpt-realtime") as socket:
        client = Client(socket)
        await client.until("session.created")
        yield Talk(client)


def readiness(gateway: Member) -> tuple[int, bool]:
    """Ask whether it may be sent clients, and whether it reaches Redis."""
    answer = httpx2.get(f"{gateway.url}/ready")
    return answer.status_code, answer.json()["checks"]["redis"]


async def test_what_is_said_to_either_gateway_is_heard_and_answered_by_the_workers(stand: Stand) -> None:
    for gateway in stand.gateways:
        async with talk(gateway) as one:
            await one.ask(aloud=True)
            assert await one.answer() == ("completed", SPEECH_BYTES)


async def test_a_voice_that_is_killed_in_mid_answer_costs_nothing_that_is_said(stand: Stand) -> None:
    async with talk(stand.gateways[0]) as one:
        for _ in range(2):
            await one.ask()
            await one.client.until("response.output_audio.delta")
            stand.fleet.holder("speak", "tts-workers").kill()
            assert await one.answer() == ("completed", SPEECH_BYTES)
    assert [member.is_gone for member in stand.members].count(True) == 2


async def test_a_job_whose_workers_all_die_is_given_up_with_its_reason_and_hurts_nobody_else(stand: Stand) -> None:
    async with talk(stand.gateways[0]) as one, talk(stand.gateways[1]) as other:
        await one.client.configure(audio={"input": {"transcription": {"model": "whisper-1"}}})
        await one.ask(aloud=True)
        for attempt in range(1, ATTEMPTS + 1):
            await asyncio.to_thread(stand.until_held, "transcribe", "stt-workers")
            stand.fleet.holder("transcribe", "stt-workers").kill()
            if attempt == len(stand.ears):
                stand.refill()
        await other.ask()
        assert await other.answer() == ("completed", SPEECH_BYTES)
        failed = await one.client.until("conversation.item.input_audio_transcription.failed")
        (letter,) = stand.fleet.dead_letters("transcribe")
        assert letter["reason"] == b"its lease ran out"
        assert letter["attempt"] == str(ATTEMPTS).encode()
        assert set(letter) == set(DeadLetter.__struct_fields__)  # and nothing of what was said
        assert failed["error"]["message"] == f"failed after {ATTEMPTS} attempts: its lease ran out"
        await asyncio.to_thread(stand.whole)
        await one.ask(aloud=True)
        assert await one.answer() == ("completed", SPEECH_BYTES)


async def test_an_ear_that_is_killed_at_work_costs_a_moment(stand: Stand) -> None:
    async with talk(stand.gateways[0]) as one:
        await one.ask(aloud=True)
        await asyncio.to_thread(stand.until_held, "transcribe", "stt-workers")
        stand.fleet.holder("transcribe", "stt-workers").kill()
        assert await one.answer() == ("completed", SPEECH_BYTES)
    assert [member.is_gone for member in stand.members].count(True) == 1


async def test_a_model_that_is_killed_costs_no_word_and_none_comes_twice(stand: Stand) -> None:
    async with talk(stand.gateways[0]) as one:
        await one.ask()
        await one.client.until("response.output_audio.delta")
        stand.replace("respond").kill()
        assert await one.answer() == ("completed", SPEECH_BYTES)
        joined = one.words()
        await one.ask()
        assert await one.answer() == ("completed", SPEECH_BYTES)
        assert joined == one.words()


async def test_what_was_said_is_in_the_database_once_though_who_writes_it_is_killed(stand: Stand) -> None:
    async with talk(stand.gateways[0]) as one:
        session_id = one.client.events[0]["session"]["id"]
        said: list[str] = []
        for number in range(30):
            said.append(await one.client.say_text(f"number {number}"))
            if number == 10:
                stand.replace("persist").kill()
    assert len(said) == len(set(said)) == 30
    async with asyncio.timeout(20):
        while (found := stand.fleet.stored_items(session_id)) != said:
            assert set(found) < set(said)
            await asyncio.sleep(0.1)


async def test_a_redis_that_is_killed_and_comes_back_holds_everybody_up_for_a_moment(stand: Stand) -> None:
    async with talk(stand.gateways[0]) as one:
        for _ in range(2):
            await one.ask()
            await one.client.until("response.output_audio.delta")
            stand.fleet.valkey.kill()
            await asyncio.sleep(0.3)
            await asyncio.to_thread(stand.fleet.valkey.start)
            assert await one.answer() == ("completed", SPEECH_BYTES)


async def test_while_redis_is_away_nobody_is_let_in_and_who_is_in_stays(stand: Stand) -> None:
    gateway = stand.gateways[0]
    async with talk(gateway) as one:
        stand.fleet.valkey.kill()
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(f"{gateway.ws}/v1/realtime?model=gpt-realtime")
        assert refused.value.response.status_code == 503
        assert await asyncio.to_thread(readiness, gateway) == (503, False)
        await one.ask()
        status, heard = await one.answer()
        assert (status, heard) == ("completed", 0), "an apology in words: Redis would have to carry its speech"
        await asyncio.to_thread(stand.fleet.valkey.start)
        async with asyncio.timeout(30):
            while heard != SPEECH_BYTES:
                await one.ask()
                _, heard = await one.answer()
        assert await asyncio.to_thread(readiness, gateway) == (200, True)
        assert "error" not in one.client.types()


async def test_at_the_end_everybody_ends_when_asked(stand: Stand) -> None:
    ends = [asyncio.to_thread(member.terminate) for member in stand.members]
    assert await asyncio.gather(*ends) == [0] * len(ends)
