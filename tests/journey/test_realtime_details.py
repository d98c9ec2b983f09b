"""Details of the Realtime door over a real socket: formats that change, odd bytes, long audio, crossing sessions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pybase64
import pytest
import websockets

from antiphon.app.gateway import Gateway
from antiphon.audio import g711
from antiphon.audio.resample import resample
from tests.serving import Client, Served, recording, serving, silence

QUESTION = recording("spk1_snt4.wav")
MANUAL: dict[str, Any] = {"input": {"turn_detection": None}}

PICTURE = "data:image/png;base64,iVBORw0KGgoAAAAN"


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as server:
        yield server


@pytest.fixture
async def client(served: Served) -> AsyncIterator[Client]:
    async with served.connect() as connected:
        await connected.until("session.created")
        yield connected


async def retrieved(client: Client, item_id: str) -> bytes:
    """The audio of an item."""
    await client.send("conversation.item.retrieve", item_id=item_id)
    content = (await client.until("conversation.item.retrieved"))["item"]["content"]
    return pybase64.b64decode(content[0].get("audio", ""))


async def committed(client: Client) -> str:
    """Commit, and return the item's id."""
    await client.send("input_audio_buffer.commit")
    return (await client.until("conversation.item.done"))["item"]["id"]


async def speak_slowly(client: Client, audio: bytes, pace: float = 2.0) -> None:
    """Append audio ``pace`` times as fast as it was spoken."""
    for at in range(0, len(audio), 4800):
        await client.append(audio[at : at + 4800])
        await asyncio.sleep(0.1 / pace)


# -- audio in --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("sizes", [(1,), (3, 5, 7), (4801, 1, 4798), (9999,)], ids=str)
async def test_samples_may_be_cut_anywhere(client: Client, sizes: tuple[int, ...]) -> None:
    said = QUESTION[:24_000]
    await client.configure(audio=MANUAL)
    at = number = 0
    while at < len(said) and number < 200:
        size = sizes[number % len(sizes)]
        await client.append(said[at : at + size], size)
        at, number = at + size, number + 1
    if at < len(said):
        await client.append(said[at:])
    assert await retrieved(client, await committed(client)) == said


@pytest.mark.parametrize("end", ["input_audio_buffer.clear", "input_audio_buffer.commit"])
async def test_half_a_sample_does_not_shift_what_is_said_after_a_break(client: Client, end: str) -> None:
    await client.configure(audio=MANUAL)
    await client.append(QUESTION[:9601], 9601)
    await client.send(end)
    await client.until("input_audio_buffer.cleared" if end.endswith("clear") else "conversation.item.done")
    await client.append(QUESTION)
    assert await retrieved(client, await committed(client)) == QUESTION


@pytest.mark.parametrize(("form", "encode"), [("audio/pcmu", g711.encode_ulaw), ("audio/pcma", g711.encode_alaw)])
async def test_another_format_in_the_middle_of_a_turn_is_heard_on(client: Client, form: str, encode: Any) -> None:
    await client.append(silence(0.5) + QUESTION[:48_000])
    await client.until("input_audio_buffer.speech_started")
    await client.configure(audio={"input": {"format": {"type": form}}})
    rest = QUESTION[48_000:] + silence(1)
    await client.append(encode(resample(rest, 24_000, 8_000)), 800)
    stopped = await client.until("input_audio_buffer.speech_stopped")
    item = (await client.until("conversation.item.done"))["item"]
    assert abs(stopped["audio_end_ms"] - 500 - len(QUESTION) / 48 - 500) < 400
    await client.until("response.done")
    heard = await retrieved(client, item["id"])
    assert abs(len(heard) / 8 - (300 + len(QUESTION) / 48 + 500)) < 400


async def test_the_same_turn_is_heard_alike_after_a_change_of_format(client: Client) -> None:
    await client.append(silence(1))
    await client.configure(audio={"input": {"format": {"type": "audio/pcmu"}}})
    await client.append(g711.encode_ulaw(resample(silence(1) + QUESTION + silence(1), 24_000, 8_000)), 800)
    started = await client.until("input_audio_buffer.speech_started")
    stopped = await client.until("input_audio_buffer.speech_stopped")
    assert 1600 <= started["audio_start_ms"] <= 2000
    assert abs(stopped["audio_end_ms"] - 2000 - len(QUESTION) / 48 - 500) < 300


async def test_minutes_of_audio_in_one_event_are_heard_in_order(client: Client) -> None:
    turn = silence(1) + QUESTION + silence(2)
    said = turn * 8
    await client.configure(output_modalities=["text"])
    await client.append(said, len(said))
    items = [(await client.until("input_audio_buffer.committed"))["item_id"] for _ in range(8)]
    assert len(set(items)) == 8
    starts = [event["audio_start_ms"] for event in client.events if event["type"].endswith("speech_started")]
    assert all(abs(start - number * len(turn) / 48 - 700) < 300 for number, start in enumerate(starts))
    await client.until("response.done")


async def test_a_long_item_is_given_back_whole(client: Client) -> None:
    said = (QUESTION * 40)[: 48_000 * 90]
    await client.configure(audio=MANUAL)
    await client.append(said, len(said))
    item_id = await committed(client)
    for _ in range(3):
        await client.send("conversation.item.retrieve", item_id=item_id)
    await client.send("conversation.item.retrieve", item_id=item_id)
    for _ in range(4):
        item = (await client.until("conversation.item.retrieved"))["item"]
        assert pybase64.b64decode(item["content"][0]["audio"]) == said


@pytest.mark.parametrize("escaped", ["/", "+"])
async def test_a_long_item_may_have_its_signs_escaped(client: Client, escaped: str) -> None:
    said, picture = QUESTION * 8, PICTURE[:-2] + pybase64.b64encode(QUESTION * 3).decode()
    parts = [
        {"type": "input_text", "text": "\U0001f600"},
        {"type": "input_image", "image_url": picture},
        {"type": "input_audio", "audio": pybase64.b64encode(said).decode()},
    ]
    item = {"type": "message", "role": "user", "content": parts}
    event = json.dumps({"type": "conversation.item.create", "item": item}, ensure_ascii=False)
    await client.socket.send(event.replace(escaped, f"\\u{ord(escaped):04X}"))
    item_id = (await client.until("conversation.item.done"))["item"]["id"]
    await client.send("conversation.item.retrieve", item_id=item_id)
    content = (await client.until("conversation.item.retrieved"))["item"]["content"]
    assert content[:2] == parts[:2]
    assert pybase64.b64decode(content[2]["audio"]) == said


async def test_a_long_item_is_brought_to_another_format(client: Client) -> None:
    said = QUESTION * 8
    await client.configure(audio=MANUAL)
    await client.append(said, len(said))
    await client.configure(audio={"input": {"format": {"type": "audio/pcma"}}})
    await client.append(bytes([0xD5]) * 8000, 8000)
    heard = await retrieved(client, await committed(client))
    assert abs(len(heard) - len(said) // 6 - 8000) <= 1
    assert heard[: len(said) // 6] == g711.encode_alaw(resample(said, 24_000, 8_000))[: len(said) // 6]


async def test_a_session_begins_with_the_voice_and_the_speed_that_the_server_is_set_to(tmp_path: Path) -> None:
    async with serving(tmp_path, realtime_voice="tone", speech_speed=1.25) as served, served.connect() as client:
        output = (await client.until("session.created"))["session"]["audio"]["output"]
        assert (output["voice"], output["speed"]) == ("tone", 1.25)
        session = await client.configure(audio={"output": {"speed": 0.75}})
        assert session["audio"]["output"]["speed"] == 0.75


async def test_what_is_too_long_is_refused_and_the_buffer_stays(tmp_path: Path) -> None:
    async with serving(tmp_path, realtime_max_buffer_s=5) as served, served.connect() as client:
        await client.until("session.created")
        await client.configure(audio=MANUAL)
        await client.append(QUESTION)
        for form, size in (("audio/pcm", 48_000 * 6), ("audio/pcmu", 8_000 * 60)):
            await client.configure(audio={"input": {"format": {"type": form}}})
            data = pybase64.b64encode(bytes(size)).decode()
            await client.send("input_audio_buffer.append", audio=data, event_id="long")
            error = (await client.until("error"))["error"]
            assert (error["code"], error["event_id"]) == ("input_audio_buffer_full", "long")
        await client.configure(audio={"input": {"format": {"type": "audio/pcm"}}})
        assert abs(len(await retrieved(client, await committed(client))) - len(QUESTION)) <= 12


async def test_what_was_committed_is_not_kept_twice(served: Served, client: Client) -> None:
    await client.configure(audio=MANUAL)
    for _ in range(3):
        await client.append(QUESTION)
        await committed(client)
    (connection,) = served.process.services.once(Gateway).connections._open
    assert connection._session._intake.buffer.size_bytes == 0


# -- frames ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("", "invalid_json"),
        (" ", "invalid_json"),
        ("null", "invalid_value"),
        ("[]", "invalid_value"),
        ("{}", "missing_required_parameter"),
        ('{"type":null}', "invalid_value"),
        ('{"type":"response.created","response":{}}', "invalid_value"),
        ('{"type":"transcription_session.update","session":{}}', "invalid_value"),
        (b"", "invalid_event"),
        (b"{}", "invalid_event"),
    ],
    ids=repr,
)
async def test_a_frame_that_is_no_event_is_one_error(client: Client, frame: Any, code: str) -> None:
    await client.socket.send(frame)
    error = (await client.receive())["error"]
    assert (error["type"], error["code"], error["event_id"]) == ("invalid_request_error", code, None)
    assert (await client.configure(instructions="still here"))["instructions"] == "still here"


async def test_two_conversations_at_once_do_not_mix(tmp_path: Path) -> None:
    async with serving(tmp_path, stub_llm_wps=50) as served:

        async def talk(number: int) -> list[dict[str, Any]]:
            async with served.connect(f"model=m{number}") as client:
                session = (await client.until("session.created"))["session"]
                assert session["model"] == f"m{number}"
                await client.configure(audio={"input": {"transcription": {"model": "whisper-1"}}})
                for _ in range(2):
                    await client.append(QUESTION + silence(1))
                    await client.until("response.done")
                return client.events

        talks = await asyncio.gather(*(talk(number) for number in range(4)))
    names = [{str(value) for event in events for value in _ids(event)} for events in talks]
    assert all(not one & other for place, one in enumerate(names) for other in names[place + 1 :])


def _ids(value: Any) -> list[Any]:
    """All ids inside of an event."""
    if isinstance(value, dict):
        own = [found for name, found in value.items() if name in ("id", "item_id", "response_id", "event_id") and found]
        return own + [name for inner in value.values() for name in _ids(inner)]
    return [name for inner in value for name in _ids(inner)] if isinstance(value, list) else []


async def test_nothing_is_left_of_a_client_that_leaves_in_the_middle(tmp_path: Path) -> None:
    async with serving(tmp_path, stub_llm_wps=10, stub_stt_ms=50) as served:
        for leave_at in ("input_audio_buffer.committed", "response.created", "response.output_audio.delta"):
            async with served.connect() as client:
                await client.until("session.created")
                await client.append(QUESTION + silence(1))
                await client.until(leave_at)
        async with asyncio.timeout(10):
            while (
                served.process.services.once(Gateway).connections._open
                or served.process.services.shared.bus._pipes
                or _busy(served)
            ):
                await asyncio.sleep(0.02)
        assert served.process.services.shared.bus.dead_letters() == ()


def _busy(served: Served) -> bool:
    queues = served.process.services.shared.bus._queues
    return any(queues.depth(queue) for queue in ("transcribe", "respond", "speak", "score")) or bool(queues._leased)


async def test_speech_pipes_go_with_their_answers(served: Served, client: Client) -> None:
    for _ in range(3):
        await client.say_text("hello")
        await client.send("response.create")
        await client.until("response.done")
    async with asyncio.timeout(10):
        while len(served.process.services.shared.bus._pipes) > 1:  # the session's own stays
            await asyncio.sleep(0.01)


# -- sessions --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["/v1/realtime", "/v1/realtime/translations"])
async def test_an_intent_that_no_session_has_is_refused_before_the_handshake(served: Served, path: str) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with websockets.connect(f"{served.ws}{path}?intent=transcription&intent=conversation"):
            pass
    error = json.loads(refused.value.response.body or b"")["error"]
    assert (refused.value.response.status_code, error["param"]) == (400, "intent")


async def secret(served: Served, **session: Any) -> str:
    async with httpx.AsyncClient() as rest:
        answer = await rest.post(f"{served.url}/v1/realtime/client_secrets", json={"session": session})
    return answer.json()["value"]


async def test_a_secret_opens_the_session_that_it_was_made_for(served: Served) -> None:
    audio = {"input": {"transcription": {"model": "whisper-1", "language": "de"}, "turn_detection": None}}
    for wish in (
        {"type": "realtime", "model": "bound", "instructions": "be kind", "audio": audio, "tool_choice": "none"},
        {"type": "transcription", "audio": audio},
    ):
        key = await secret(served, **wish)
        for query in ("", "model=other", "intent=transcription"):
            async with served.connect(query, additional_headers={"Authorization": f"Bearer {key}"}) as client:
                session = (await client.receive())["session"]
            assert session["type"] == wish["type"]
            assert session.get("model") == wish.get("model")
            assert session["audio"]["input"]["transcription"] == audio["input"]["transcription"]
            assert session["audio"]["input"]["turn_detection"] is None


async def test_a_transcription_session_does_nothing_but_transcribe(served: Served) -> None:
    async with served.connect("intent=transcription") as client:
        await client.until("session.created")
        wish = {
            "type": "transcription",
            "include": ["item.input_audio_transcription.logprobs"],
            "audio": {"input": {"turn_detection": None, "transcription": {"model": "gpt-realtime-whisper"}}},
        }
        await client.send("session.update", session=wish)
        session = (await client.until("session.updated"))["session"]
        assert session["audio"]["input"]["turn_detection"] is None
        await client.send("response.create", event_id="mine")
        error = (await client.receive())["error"]
        assert (error["code"], error["event_id"]) == ("invalid_value", "mine")
        await client.append(QUESTION)
        item_id = await committed(client)
        completed = await client.until("conversation.item.input_audio_transcription.completed")
        assert (completed["item_id"], completed["transcript"]) == (item_id, "hello from the stub")
        assert completed["usage"]["type"] == "duration"
        await client.quiet()


async def test_an_answer_may_take_longer_than_a_step_of_it(tmp_path: Path) -> None:
    settings = {"provider_timeout_s": 1, "stub_llm_wps": 10}
    async with serving(tmp_path, **settings) as served, served.connect() as client:
        await client.until("session.created")
        await client.say_text("a long story")
        await client.send("response.create")
        done = (await client.until("response.done"))["response"]
        assert (done["status"], len(client.audio())) == ("completed", 20 * 300 * 48)


# -- answers prepared early, and held back ---------------------------------------------------------------------------
EARLY = {"realtime_speculate_ms": 96}


@pytest.mark.parametrize("query", ["model=m", "model=m&pace=realtime"])
@pytest.mark.parametrize("form", ["audio/pcm", "audio/pcmu"])
async def test_an_answer_that_was_ready_before_the_turn_was_over_is_sent(tmp_path: Path, query: str, form: str) -> None:
    async with serving(tmp_path, stub_llm_words=4, **EARLY) as served, served.connect(query) as client:
        await client.until("session.created")
        await client.configure(audio={"output": {"format": {"type": form}}})
        await client.append(QUESTION)
        await speak_slowly(client, silence(1))
        done = (await client.until("response.done"))["response"]
        assert done["status"] == "completed"
        assert len(client.audio()) == 4 * 300 * (48 if form == "audio/pcm" else 8)


async def test_an_early_answer_is_dropped_when_the_client_changes_its_mind(tmp_path: Path) -> None:
    async with serving(tmp_path, **EARLY) as served, served.connect() as client:
        await client.until("session.created")
        await client.append(QUESTION)
        await speak_slowly(client, silence(0.3))
        await client.configure(output_modalities=["text"])
        await client.append(silence(1))
        done = (await client.until("response.done"))["response"]
        assert done["output_modalities"] == ["text"]
        assert client.types().count("response.created") == 1


@pytest.mark.parametrize("query", ["model=m", "model=m&pace=realtime"])
@pytest.mark.parametrize("settings", [{}, EARLY], ids=["late", "early"])
@pytest.mark.parametrize("end", ["barge-in", "response.cancel", "conversation.item.truncate"])
async def test_however_an_answer_is_broken_off_nothing_of_it_follows(
    tmp_path: Path, query: str, settings: dict[str, Any], end: str
) -> None:
    async with (
        serving(tmp_path, stub_llm_words=100, stub_llm_wps=30, realtime_truncate_wait_s=0.1, **settings) as served,
        served.connect(query) as client,
    ):
        await client.until("session.created")
        await client.append(QUESTION)
        await speak_slowly(client, silence(1), pace=4)
        item_id = (await client.until("response.output_audio.delta"))["item_id"]
        if end == "barge-in":
            await client.append(QUESTION)
        elif end == "response.cancel":
            await client.send("response.cancel")
        else:
            await client.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=100)
        done = (await client.until("response.done"))["response"]
        reason = "turn_detected" if end == "barge-in" else "client_cancelled"
        assert (done["status"], done["status_details"]["reason"]) == ("cancelled", reason)
        if end != "response.cancel":
            await client.until("conversation.item.truncated")
        await client.quiet(0.4)
        audio = await retrieved(client, item_id)
        assert client.audio().startswith(audio)
        if end == "conversation.item.truncate":
            assert len(audio) == 100 * 48


async def test_a_truncated_item_has_the_audio_and_the_words_of_that_time(client: Client) -> None:
    await client.configure(audio={"output": {"format": {"type": "audio/pcma"}}})
    await client.say_text("hello")
    await client.send("response.create")
    item = (await client.until("response.done"))["response"]["output"][0]
    said = item["content"][0]["transcript"]
    for at_ms in (10_000, 3_000, 1_234, 301, 0):
        await client.send("conversation.item.truncate", item_id=item["id"], content_index=0, audio_end_ms=at_ms)
        assert (await client.until("conversation.item.truncated"))["audio_end_ms"] == min(at_ms, 6_000)
        assert len(await retrieved(client, item["id"])) == min(at_ms, 6_000) * 8
        words = client.events[-1]["item"]["content"][0]["transcript"]
        assert said.startswith(words)
        assert abs(len(words.split()) - min(at_ms, 6_000) / 300) <= 1


# -- asking for what is not there ------------------------------------------------------------------------------------
async def test_every_kind_of_item_can_be_asked_for(client: Client) -> None:
    items = [
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "be kind"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_audio", "transcript": "b"}]},
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_image", "image_url": PICTURE}],
        },
        {"type": "message", "role": "user", "content": []},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "c"}]},
        {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "call_1"},
        {"type": "function_call_output", "call_id": "call_1", "output": "d"},
    ]
    for number, item in enumerate(items):
        await client.send("conversation.item.create", item={**item, "id": f'"{number}\\é'})
        added = (await client.until("conversation.item.done"))["item"]
        await client.send("conversation.item.retrieve", item_id=f'"{number}\\é', event_id=f"rci_{number}")
        assert (await client.until("conversation.item.retrieved"))["item"] == added
    for kind in ("retrieve", "delete", "truncate"):
        more = {"content_index": 0, "audio_end_ms": 0} if kind == "truncate" else {}
        await client.send(f"conversation.item.{kind}", item_id="nowhere", event_id=f"rci_{kind}", **more)
        error = (await client.receive())["error"]
        assert (error["code"], error["param"]) == (f"item_{kind}_invalid_item_id", "item_id")
        assert error["event_id"] == f"rci_{kind}"


async def test_an_item_under_way_is_empty_and_cannot_be_deleted(tmp_path: Path) -> None:
    async with serving(tmp_path, stub_llm_wps=20) as served, served.connect() as client:
        await client.until("session.created")
        await client.say_text("talk")
        await client.send("response.create")
        item_id = (await client.until("response.output_audio.delta"))["item_id"]
        await client.send("conversation.item.retrieve", item_id=item_id)
        item = (await client.until("conversation.item.retrieved"))["item"]
        assert (item["status"], item["content"]) == ("in_progress", [])
        await client.send("conversation.item.delete", item_id=item_id, event_id="no")
        error = (await client.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("item_delete_in_progress", "no")
        assert (await client.until("response.done"))["response"]["status"] == "completed"
        await client.send("conversation.item.delete", item_id=item_id)
        await client.until("conversation.item.deleted")


async def test_so_many_answers_beside_the_conversation_and_no_more(tmp_path: Path) -> None:
    async with serving(tmp_path, stub_llm_wps=5) as served, served.connect() as client:
        await client.until("session.created")
        aside = {"conversation": "none", "output_modalities": ["text"]}
        for _ in range(9):
            await client.send("response.create", response=aside, event_id="mine")
        error = (await client.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("too_many_responses", "mine")
        made = [event["response"]["id"] for event in client.events if event["type"] == "response.created"]
        assert len(set(made)) == 8
        for response_id in made:
            await client.send("response.cancel", response_id=response_id)
            assert (await client.until("response.done"))["response"]["id"] == response_id
        await client.send("response.cancel", response_id=made[0], event_id="again")
        error = (await client.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("response_cancel_not_active", "again")
        assert not [event for event in client.events if event["type"].startswith("conversation.item")]
