from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import numpy as np
import pytest

from antiphon.audio.encoder import Encoder
from antiphon.audio.wav import write_wav
from antiphon.doors.http.in_flight_bytes import ByteBudget
from antiphon.entities.priority import PATIENT, TOLERANT
from antiphon.entities.speech import Segment
from antiphon.errors import ProviderUnavailable, Unsupported
from antiphon.wire.jobs import Transcribe
from antiphon.wire.transcriptions import MAX_FILE_BYTES
from tests.unit.doors.rest_stage import Script, Stage, hung_up, stage, until

SOUND = b"\x05\x00" * 16_000
WAV = write_wav(SOUND, 16_000)


async def transcribe(
    run: Stage, data: dict[str, Any] | None = None, *, path: str = "transcriptions", file: bytes = WAV, **kwargs: Any
) -> httpx.Response:
    fields = {"model": "whisper-1", **(data or {})}
    return await run.client.post(f"/v1/audio/{path}", data=fields, files={"file": ("a.wav", file)}, **kwargs)


def events_of(answer: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(part.removeprefix("data: ")) for part in answer.text.strip().split("\n\n")]


async def test_json_is_the_default() -> None:
    async with stage() as run:
        answer = await transcribe(run)
    assert answer.status_code == 200
    assert answer.json() == {
        "text": "Hello there. How are you?",
        "usage": {"type": "duration", "seconds": 1.0},
        "languages": [{"code": "en"}],
    }


async def test_every_field_of_the_form_reaches_the_job() -> None:
    wish = {
        "language": "de",
        "prompt": "Names: Anna.",
        "keywords[]": ["Ulm", "Köln"],
        "temperature": "0.25",
        "response_format": "verbose_json",
        "timestamp_granularities[]": ["word", "segment"],
        "include[]": "logprobs",
        "chunking_strategy": "auto",
        "known_speaker_names[]": ["ann"],
        "known_speaker_references[]": ["data:audio/wav;base64,AAAA"],
        "stream": "false",
        "unknown_field": "ignored",
    }
    async with stage() as run:
        assert (await transcribe(run, wish)).status_code == 200
        (job,) = run.script.jobs
    assert job.work == Transcribe(
        SOUND,
        16_000,
        language="de",
        prompt="Ulm, Köln Names: Anna.",
        model="whisper-1",
        word_timestamps=True,
        temperature=0.25,
    )


LANGUAGES: list[tuple[dict[str, Any], str | None]] = [
    ({}, None),
    ({"language": ""}, None),
    ({"languages[]": ["fr"]}, "fr"),
    ({"languages": "fr"}, "fr"),
    ({"languages[0]": "fr", "languages[1]": "it"}, None),
    ({"languages[]": ["fr"], "language": "es"}, "es"),
    ({"chunking_strategy[type]": "server_vad", "chunking_strategy[threshold]": "0.5", "language": "en"}, "en"),
]


async def test_languages_come_in_several_spellings() -> None:
    async with stage() as run:
        for wish, language in LANGUAGES:
            assert (await transcribe(run, wish)).status_code == 200
            work = run.script.jobs[-1].work
            assert isinstance(work, Transcribe)
            assert work.language == language


async def test_verbose_json_has_segments_unless_words_alone_are_asked_for() -> None:
    async with stage() as run:
        plain = (await transcribe(run, {"response_format": "verbose_json"})).json()
        wish = {"response_format": "verbose_json", "timestamp_granularities[]": ["word"]}
        words = (await transcribe(run, wish)).json()
    assert {"task", "language", "duration", "text", "usage", "segments"} == set(plain)
    assert plain["segments"][0] == {
        "id": 0,
        "seek": 0,
        "start": 0.0,
        "end": 1.25,
        "text": "Hello there.",
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": -0.25,
        "compression_ratio": pytest.approx(0.6, abs=0.1),
        "no_speech_prob": 0.01,
    }
    assert "segments" not in words
    assert words["words"][1] == {"word": "there.", "start": 0.6, "end": 1.25}


async def test_text_srt_and_vtt_are_plain_text() -> None:
    async with stage() as run:
        text, srt, vtt = [await transcribe(run, {"response_format": name}) for name in ("text", "srt", "vtt")]
    assert text.text == "Hello there. How are you?\n"
    assert srt.text == (
        "1\n00:00:00,000 --> 00:00:01,250\nHello there.\n\n2\n00:00:01,500 --> 01:01:01,042\nHow are you?\n"
    )
    assert vtt.text == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.250\nHello there.\n\n00:00:01.500 --> 01:01:01.042\nHow are you?\n"
    )
    assert {answer.headers["content-type"] for answer in (text, srt, vtt)} == {"text/plain; charset=utf-8"}


async def test_a_stream_sends_each_segment_as_it_is_known() -> None:
    hold = asyncio.Event()
    async with stage(Script(hold=hold)) as run:
        fields, files = {"model": "m", "stream": "true"}, {"file": ("a.wav", WAV)}
        async with run.client.stream("POST", "/v1/audio/transcriptions", data=fields, files=files) as answer:
            assert answer.headers["content-type"] == "text/event-stream"
            chunks = answer.aiter_text()
            first = await anext(chunks)
            hold.set()
            rest = "".join([chunk async for chunk in chunks])
    assert json.loads(first.removeprefix("data: ")) == {"type": "transcript.text.delta", "delta": "Hello there."}
    events = [json.loads(part.removeprefix("data: ")) for part in (first + rest).strip().split("\n\n")]
    assert "".join(event["delta"] for event in events[:-1]) == events[-1]["text"] == "Hello there. How are you?"
    assert events[-1]["type"] == "transcript.text.done"


async def test_silence_is_an_empty_text_in_every_format() -> None:
    async with stage(Script(segments=())) as run:
        answers = {
            name: await transcribe(run, {"response_format": name})
            for name in ("json", "text", "srt", "vtt", "verbose_json")
        }
        streamed = await transcribe(run, {"stream": "true"})
    assert answers["json"].json()["text"] == ""
    assert answers["json"].json()["languages"] == []
    assert (answers["text"].text, answers["srt"].text, answers["vtt"].text) == ("\n", "", "WEBVTT\n")
    assert answers["verbose_json"].json()["segments"] == []
    assert [event["type"] for event in events_of(streamed)] == ["transcript.text.done"]


async def test_speech_that_was_not_recognised_is_told_in_verbose_json_and_not_in_a_stream() -> None:
    segments = (Segment("One.", 0.0, 1.0), Segment("", 1.5, 3.0, (), -1.9, 0.1), Segment("Two.", 3.0, 4.0))
    async with stage(Script(segments=segments)) as run:
        verbose = (await transcribe(run, {"response_format": "verbose_json"})).json()
        streamed = events_of(await transcribe(run, {"stream": "true"}))
    assert [segment.get("recognized", True) for segment in verbose["segments"]] == [True, False, True]
    assert [event.get("delta") for event in streamed] == ["One.", " Two.", None]
    assert verbose["text"] == streamed[-1]["text"] == "One. Two."


async def test_a_translation_asks_for_english() -> None:
    async with stage() as run:
        answer = await transcribe(run, {"prompt": "p", "response_format": "verbose_json"}, path="translations")
        work = run.script.jobs[0].work
    assert answer.json()["task"] == "translate"
    assert isinstance(work, Transcribe)
    assert (work.translate, work.prompt, work.language) == (True, "p", None)


BAD_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"response_format": "diarized_json"}, "response_format"),
    ({"response_format": "docx"}, "response_format"),
    ({"temperature": "hot"}, "temperature"),
    ({"temperature": "2"}, "temperature"),
    ({"temperature": "nan"}, "temperature"),
    ({"temperature": "1e999"}, "temperature"),
    ({"temperature": "-1"}, "temperature"),
    ({"timestamp_granularities[]": "word"}, "timestamp_granularities"),
    ({"timestamp_granularities[]": "letter", "response_format": "verbose_json"}, "timestamp_granularities[0]"),
    ({"include[]": "secrets"}, "include[0]"),
    ({"stream": "perhaps"}, "stream"),
    ({"language": "x" * 300}, "language"),
    ({"prompt": "x" * 20_000}, "prompt"),
    ({"keywords[]": ["x"] * 501}, "keywords"),
]


async def test_a_bad_field_is_refused_by_name() -> None:
    async with stage() as run:
        for wish, param in BAD_FIELDS:
            answer = await transcribe(run, wish)
            assert answer.status_code == 400
            assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
            assert answer.json()["error"]["param"] == param
        assert run.script.jobs == []


async def test_a_file_that_is_no_sound_is_refused() -> None:
    async with stage() as run:
        for file in (
            b"",
            b"not a sound",
            b"RIFF\xff\xff\xff\xffWAVE",
            WAV[:30],
            b"\xff\xfb" * 500,
            b"OggS" * 99,
            b"fLaC",
        ):
            answer = await transcribe(run, file=file)
            assert answer.status_code == 400, file[:10]
            assert answer.json()["error"]["param"] == "file"


async def test_a_form_without_a_file_is_refused_by_name() -> None:
    async with stage() as run:
        boundary = {"content-type": "multipart/form-data; boundary=x"}
        body = b'--x\r\ncontent-disposition: form-data; name="file"\r\n\r\ntext\r\n--x--\r\n'
        for content in (body, body.replace(b'name="file"', b'name="other"; filename="a.wav"')):
            answer = await run.client.post("/v1/audio/transcriptions", content=content, headers=boundary)
            assert answer.status_code == 400
            assert answer.json()["error"]["param"] == "file"
            assert answer.json()["error"]["code"] == "missing_required_parameter"


BAD_FORMS: list[tuple[bytes, str]] = [
    (b"garbage", "multipart/form-data; boundary=x"),
    (b"garbage", "multipart/form-data"),
    (b'{"file": "x"}', "application/json"),
    (b"file=x", "application/x-www-form-urlencoded"),
    (b"--x\r\n\r\n\r\n--x--", "multipart/form-data; boundary=x"),
    (b"--x\r\ncontent-disposition: form-data\r\n\r\na\r\n--x--\r\n", "multipart/form-data; boundary=x"),
    (b"", "multipart/form-data; boundary=x"),
    (b"garbage", "\x7f/; ;;"),
    (b"--x\r\n" * 10_000, "multipart/form-data; boundary=x"),
]


async def test_a_bad_body_is_one_clear_error() -> None:
    async with stage() as run:
        for content, content_type in BAD_FORMS:
            headers = {"content-type": content_type}
            answer = await run.client.post("/v1/audio/transcriptions", content=content, headers=headers)
            assert answer.status_code in (400, 413), content[:40]
            assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_a_file_too_large_is_413_whether_announced_or_not() -> None:
    async with stage() as run:
        slightly = await transcribe(run, file=WAV + b"\0" * (MAX_FILE_BYTES - len(WAV) + 1))
        vastly = await transcribe(run, file=b"\0" * (MAX_FILE_BYTES + 2**21))

        async def endless() -> Any:
            yield b'--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
            for _ in range(40):
                yield b"\0" * 2**20

        headers = {"content-type": "multipart/form-data; boundary=x"}
        chunked = await run.client.post("/v1/audio/transcriptions", content=endless(), headers=headers)
    assert [answer.status_code for answer in (slightly, vastly, chunked)] == [413, 413, 413]
    assert slightly.json()["error"]["param"] == "file"
    assert vastly.json()["error"]["code"] == "content_too_large"


@pytest.mark.parametrize("data", [{}, {"stream": "true"}])
async def test_an_engine_that_fails_at_once_is_an_error_with_its_status(data: dict[str, str]) -> None:
    async with stage(Script(fails_with=Unsupported("no such language"))) as run:
        answer = await transcribe(run, data)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "unsupported"


async def test_an_engine_that_fails_midway_is_an_error_too() -> None:
    async with stage(Script(fails_with=ProviderUnavailable("gone"), fails_after=1)) as run:
        plain = await transcribe(run)
        streamed = await transcribe(run, {"stream": "true"})
    assert plain.status_code == 503
    assert [next(iter(event)) for event in events_of(streamed)] == ["type", "error"]


async def test_a_client_that_hangs_up_cancels_the_job() -> None:
    async with stage(Script(hold=asyncio.Event())) as run:
        await hung_up(run, transcribe(run))
        await until(lambda: bool(run.script.cancelled))
        assert len(run.script.cancelled) == 1


async def test_recordings_of_other_kinds_are_decoded_whatever_they_are_called() -> None:
    tone = (np.sin(np.arange(24_000) / 9) * 8000).astype("<i2").tobytes()
    async with stage() as run:
        for kind in ("mp3", "opus", "aac", "flac", "wav"):
            encoder = Encoder(kind, 24_000)
            coded = encoder.feed(tone) + encoder.finish()
            assert (await transcribe(run, file=coded)).status_code == 200
            work = run.script.jobs[-1].work
            assert isinstance(work, Transcribe)
            assert work.rate_hz == 16_000
            assert len(work.audio) / 32_000 == pytest.approx(1.0, abs=0.12)


async def test_more_audio_than_may_wait_is_refused_for_now() -> None:
    hold = asyncio.Event()
    async with stage(Script(hold=hold), waiting_audio=ByteBudget(len(SOUND), most_per_account=len(SOUND))) as run:
        first = asyncio.create_task(transcribe(run))
        await until(lambda: bool(run.script.jobs))
        second = await transcribe(run)
        hold.set()
        assert (second.status_code, second.json()["error"]["type"]) == (503, "overloaded_error")
        assert second.headers["retry-after"] == "1"
        assert (await first).status_code == 200
        assert run.services.waiting_audio.held_bytes == 0


async def test_audio_of_one_key_that_waits_leaves_room_for_that_of_another() -> None:
    hold, size = asyncio.Event(), len(SOUND)
    budget = ByteBudget(3 * size, most_per_account=size)
    async with stage(Script(hold=hold), keys=("sk-0", "sk-1"), waiting_audio=budget) as run:
        first = asyncio.create_task(transcribe(run))
        await until(lambda: bool(run.script.jobs))
        assert (await transcribe(run)).status_code == 503
        run.client.headers["authorization"] = "Bearer sk-1"
        other = asyncio.create_task(transcribe(run))
        await until(lambda: budget.held_bytes >= 2 * size)
        hold.set()
        assert [(await one).status_code for one in (first, other)] == [200, 200]


@pytest.mark.parametrize(("seconds", "priority"), [(1, TOLERANT), (30, TOLERANT), (31, PATIENT)])
@pytest.mark.parametrize("path", ["transcriptions", "translations"])
async def test_a_recording_waits_behind_what_is_short(seconds: int, priority: int, path: str) -> None:
    async with stage() as run:
        await transcribe(run, path=path, file=write_wav(bytes(32_000 * seconds), 16_000))
        (job,) = run.script.jobs
    assert job.priority == priority
