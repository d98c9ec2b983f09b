"""A lost connection is taken up where it was: the same session, what was missed once, and the answer goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import websockets

from antiphon.client import SessionLost, connect
from antiphon.wire.realtime_server import Error
from tests.serving import Client, Served, recording, serving, silence

WORDS, WORD_MS = 30, 100
SPEECH_BYTES = WORDS * WORD_MS * 48
SLOW = {"stub_llm_words": WORDS, "stub_llm_wps": 60, "stub_tts_ms_per_word": WORD_MS, "stub_stt_ms": 100}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, **SLOW) as made:
        yield made


def lose(client: Client) -> None:
    """Cut the connection without a close handshake."""
    client.socket.transport.abort()


@asynccontextmanager
async def again(served: Served, client: Client, **query: str) -> AsyncIterator[Client]:
    """Take the client's session up; what was heard so far is known."""
    session_id = client.events[0]["session"]["id"]
    wish = "&".join(f"{name}={value}" for name, value in {"session_id": session_id, **query}.items())
    async with served.connect(wish) as resumed:
        yield resumed


def ids(*clients: Client) -> list[str]:
    return [event["event_id"] for client in clients for event in client.events]


async def ask(client: Client) -> None:
    await client.until("session.created")
    await client.say_text("tell me")
    await client.send("response.create", event_id="mine")


@pytest.mark.parametrize("form", ["audio/pcm", "audio/pcmu"])
@pytest.mark.parametrize("seen", ["response.created", "response.output_audio.delta"])
async def test_an_answer_under_way_goes_on_behind_what_was_heard(served: Served, seen: str, form: str) -> None:
    async with served.connect() as client:
        await client.until("session.created")
        await client.configure(audio={"output": {"format": {"type": form}}})
        await client.say_text("tell me")
        await client.send("response.create", event_id="mine")
        last = await client.until(seen)
        lose(client)
    await asyncio.sleep(0.3)  # it goes on meanwhile
    async with again(served, client, after=last["event_id"]) as resumed:
        created = await resumed.receive()
        assert created["type"] == "session.created"
        assert created["session"]["id"] == client.events[0]["session"]["id"]
        assert created["session"]["audio"]["output"]["format"]["type"] == form
        await resumed.until("antiphon.session.resumed")
        done = next((event for event in resumed.events if event["type"] == "response.done"), None)
        done = done or await resumed.until("response.done")
        assert done["response"]["status"] == "completed"
        (note,) = (event for event in resumed.events if event["type"] == "antiphon.session.resumed")
        assert note["client_event_id"] == "mine"
        assert ids(client, resumed) == sorted(set(ids(client, resumed)))
        width = 1 if form == "audio/pcm" else 6
        heard = len(client.audio() + resumed.audio()) * width
        assert abs(heard - SPEECH_BYTES) <= (0 if width == 1 else 10_000)
        transcript = done["response"]["output"][0]["content"][0]["transcript"]
        kind = "response.output_audio_transcript.delta"
        events = client.events + resumed.events
        assert "".join(event["delta"] for event in events if event["type"] == kind) == transcript
        await resumed.say_text("more")
        await resumed.send("response.create")
        assert (await resumed.until("response.done"))["response"]["status"] == "completed"


async def test_everything_behind_an_older_event_is_said_again_as_it_was(served: Served) -> None:
    async with served.connect() as client:
        await ask(client)
        await client.until("response.done")
        lose(client)
    for at, event in list(enumerate(client.events))[:: len(client.events) // 5]:
        async with again(served, client, after=event["event_id"]) as resumed:
            await resumed.until("antiphon.session.resumed")
            missed = [one for one in resumed.events[1:] if not one["type"].startswith("antiphon.")]
            assert missed == client.events[at + 1 :]
            lose(resumed)


async def test_of_more_speech_than_is_held_everything_else_is_said_again(tmp_path: Path) -> None:
    async with serving(tmp_path, stub_llm_words=60, stub_tts_ms_per_word=300) as served:
        async with served.connect() as client:
            await ask(client)
            await client.until("response.done")
            lose(client)
        for seen in ("response.created", "response.output_audio_transcript.delta"):
            at = next(index for index, event in enumerate(client.events) if event["type"] == seen)
            async with again(served, client, after=client.events[at]["event_id"]) as resumed:
                await resumed.until("antiphon.session.resumed")
                missed = [one for one in resumed.events[1:] if not one["type"].startswith("antiphon.")]
                words = [one for one in client.events[at + 1 :] if one["type"] != "response.output_audio.delta"]
                assert [one for one in missed if one["type"] != "response.output_audio.delta"] == words
                assert missed[-1]["response"]["status"] == "completed"
                lose(resumed)


async def test_an_answer_made_faster_than_it_is_sent_goes_on(tmp_path: Path) -> None:
    async with serving(tmp_path, stub_llm_words=200, stub_tts_ms_per_word=WORD_MS) as served:
        for seen in ("response.output_audio_transcript.delta", "response.output_audio.delta"):
            async with served.connect() as client:
                await ask(client)
                last = await client.until(seen)
                lose(client)
            await asyncio.sleep(0.3)
            async with again(served, client, after=last["event_id"]) as resumed:
                done = await resumed.until("response.done")
                assert done["response"]["status"] == "completed"
                assert ids(client, resumed) == sorted(set(ids(client, resumed)))
                assert len(client.audio() + resumed.audio()) == 200 * WORD_MS * 48


async def test_without_a_cursor_an_answer_under_way_ends_and_the_conversation_is_there(tmp_path: Path) -> None:
    async with serving(tmp_path, **{**SLOW, "stub_llm_words": 1_000}) as served:
        async with served.connect() as client:
            await ask(client)
            await client.until("response.output_audio.delta")
            item_id = client.events[1]["item"]["id"]
            lose(client)
        async with again(served, client) as resumed:
            done = await resumed.until("response.done")
            assert done["response"]["status"] == "incomplete"
            await resumed.send("conversation.item.retrieve", item_id=item_id)
            item = (await resumed.until("conversation.item.retrieved"))["item"]
            assert item["content"][0]["text"] == "tell me"
            await resumed.send("response.create", response={"max_output_tokens": 5})
            assert (await resumed.until("response.done"))["response"]["status"] != "failed"


async def test_what_is_said_before_the_loss_and_not_committed_is_asked_for_again(served: Served) -> None:
    question = recording("spk1_snt4.wav")
    async with served.connect() as client:
        await client.until("session.created")
        await client.append(question)
        started = await client.until("input_audio_buffer.speech_started")
        lose(client)
    async with again(served, client, after=started["event_id"]) as resumed:
        note = await resumed.until("antiphon.session.resumed")
        assert note["audio_start_ms"] <= started["audio_start_ms"]
        await resumed.append(question[note["audio_start_ms"] * 48 :] + silence(1))
        restarted = await resumed.until("input_audio_buffer.speech_started")
        assert abs(restarted["audio_start_ms"] - started["audio_start_ms"]) <= 64
        assert (await resumed.until("response.done"))["response"]["status"] == "completed"


async def test_a_pending_transcript_is_not_lost(served: Served) -> None:
    async with served.connect() as client:
        await client.until("session.created")
        await client.configure(audio={"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}})
        await client.append(silence(1))
        await client.send("input_audio_buffer.commit")
        last = await client.until("conversation.item.done")
        lose(client)
    async with again(served, client, after=last["event_id"]) as resumed:
        completed = await resumed.until("conversation.item.input_audio_transcription.completed")
        assert completed["item_id"] == last["item"]["id"]


async def test_the_older_connection_is_closed_when_somebody_else_takes_its_session_up(served: Served) -> None:
    async with served.connect() as client:
        await ask(client)
        last = await client.until("response.output_audio.delta")
        async with again(served, client, after=last["event_id"]) as resumed:
            with pytest.raises(websockets.ConnectionClosed):
                await client.until("nothing of the kind")
            assert client.socket.close_code == 4409
            assert (await resumed.until("response.done"))["response"]["status"] == "completed"


async def test_a_close_handshake_is_the_end_of_a_session(served: Served) -> None:
    async with served.connect() as client:
        await ask(client)
        last = await client.until("response.done")
    await refused(served, client, 404, "session_not_found", None, after=last["event_id"])


WRONG_CURSORS = ["nonsense", "event_1", "event_", "event_0123456789ab0000001"]


@pytest.mark.parametrize("after", WRONG_CURSORS)
async def test_a_cursor_of_another_session_is_refused_and_the_session_stays(served: Served, after: str) -> None:
    async with served.connect() as client:
        await ask(client)
        last = await client.until("response.done")
        lose(client)
    await refused(served, client, 400, "invalid_value", "after", after=after)
    async with again(served, client, after=last["event_id"]) as resumed:
        await resumed.until("antiphon.session.resumed")


async def test_a_cursor_that_is_refused_disturbs_no_connection(served: Served) -> None:
    async with served.connect() as client:
        await ask(client)
        await client.until("response.done")
        for after in WRONG_CURSORS:
            await refused(served, client, 400, "invalid_value", "after", after=after)
        await client.say_text("still here")


@pytest.mark.parametrize("query", ["session_id=", "session_id", "model=m&session_id=&after="])
async def test_a_session_without_a_name_is_not_begun_anew(served: Served, query: str) -> None:
    with pytest.raises(websockets.InvalidStatus) as found:
        async with served.connect(query):
            pass
    assert found.value.response.status_code == 404
    assert json.loads(found.value.response.body)["error"]["code"] == "session_not_found"


async def refused(served: Served, client: Client, status: int, code: str, param: str | None, **query: str) -> None:
    with pytest.raises(websockets.InvalidStatus) as found:
        async with again(served, client, **query):
            pass
    assert found.value.response.status_code == status
    error: dict[str, Any] = json.loads(found.value.response.body)["error"]
    assert (error["code"], error["param"]) == (code, param)


async def test_who_goes_on_talking_in_a_session_that_is_over_is_told(tmp_path: Path) -> None:
    async with serving(tmp_path, realtime_session_s=1, **SLOW) as served, connect(served.url) as session:
        assert isinstance([event async for event in session][-1], Error)
        for _ in range(2):
            with pytest.raises(SessionLost, match="over"):
                await session.say("is anybody there")
