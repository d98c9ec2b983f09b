"""A stream of the dubbing door from its beginning to its end, with the Socket.IO client that media workers use."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from antiphon.audio.fragments import encode_fragment
from antiphon.entities.capabilities import Capabilities
from antiphon.errors import InvalidRequest
from tests.dubbing import (
    CONFIG,
    DURATION_MS,
    RATE_HZ,
    TONE,
    Door,
    Worker,
    audio_of,
    dubbing,
    eventually,
    raw,
    sound,
    worker,
)
from tests.fakes.engines import ScriptedStt, ScriptedTranslation, ScriptedTts
from tests.fragments import decode_fragment

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLOSE_S = 0.2
VOICES = {
    "default": {"model": "stub", "speaker": "tone", "language": "en"},
    "bob": {"voice_id": "tone", "language": "en", "description": "of another language than most targets"},
}
NOTHING: Any = object()
"""An event without a payload."""


class English(ScriptedTranslation):
    """Translates from English, and marks what it has translated."""

    def has_pair(self, source: str | None, target: str) -> bool:
        """Say yes where the source is English."""
        return source == "en" and target != "en"

    async def translate(self, text: str, *, source: str | None, target: str) -> str:
        """Return the text in capitals."""
        return f"{target} {text.upper()}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    folder = tmp_path_factory.mktemp("dubbing")
    voices = folder / "voices.json"
    voices.write_text(json.dumps(VOICES))
    settings = {"dubbing_close_s": CLOSE_S, "dubbing_voices": voices}
    async with dubbing(folder / "data", {"translation": English()}, **settings) as running:
        yield running


def named(error: dict[str, Any]) -> str | None:
    """The field that an error names."""
    assert error["metadata"] == error["details"], "one object under both names"
    return error["details"].get("param")


# -- the beginning ---------------------------------------------------------------------------------------------------
async def test_a_stream_is_ready_and_says_what_the_server_can(door: Door) -> None:
    async with worker(door.url) as one:
        ready = await one.begin(max_inflight=5)
    assert UUID(ready.pop("session_id")).version == 4
    assert ready == {
        "stream_id": one.stream_id,
        "max_inflight": 5,
        "capabilities": ["asr", "translation", "tts", "duration_matching", "async_delivery"],
        "server_capabilities": {"batch_processing": False, "async_delivery": True},
    }


@pytest.mark.parametrize("transports", [["polling", "websocket"], ["websocket"]])
async def test_both_ways_to_connect_carry_a_whole_stream(door: Door, transports: list[str]) -> None:
    async with worker(door.url, transports=transports) as one:
        assert one.transport == "websocket"
        assert (await one.begin())["max_inflight"] == 3, "the usual one"
        for number in range(3):
            await one.offer(number)
        assert [(await one.result())["sequence_number"] for _ in range(3)] == [0, 1, 2]
        await one.end()
        await one.ended()


async def test_headers_that_name_stream_and_worker_are_for_the_log_alone(door: Door) -> None:
    async with worker(door.url, headers={"X-Stream-ID": "a", "X-Worker-ID": "b"}) as one:
        assert (await one.begin())["stream_id"] == one.stream_id


def without(*path: str) -> dict[str, Any]:
    payload = Worker("s").init_payload()
    inside = payload
    for step in path[:-1]:
        inside = inside[step]
    del inside[path[-1]]
    return payload


def with_value(value: Any, *path: str) -> dict[str, Any]:
    payload = Worker("s").init_payload(max_inflight=3, timeout_ms=8000)
    inside = payload
    for step in path[:-1]:
        inside = inside[step]
    inside[path[-1]] = value
    return payload


MISSING = [("stream_id",), ("worker_id",), ("config",), *(("config", name) for name in CONFIG)]
WRONG: list[tuple[tuple[str, ...], list[Any]]] = [
    (("stream_id",), ["", 5, None]),
    (("worker_id",), ["", [], None]),
    (("config",), [None, "x", [], 7]),
    (("max_inflight",), [0, 11, "3", 2.5, None]),
    (("timeout_ms",), [999, 30_001, "8000", None]),
    (("config", "source_language"), ["e", "english-spoken", 1, None]),
    (("config", "target_language"), ["e", "spanish-spoken", {}, None]),
    (("config", "voice_profile"), ["", 0, None]),
    (("config", "chunk_duration_ms"), [99, 10_001, "6000", None]),
    (("config", "sample_rate_hz"), [7_999, 96_001, True, None]),
    (("config", "channels"), [0, 3, "2", None]),
    (("config", "format"), ["mp3", "", 1, None]),
    (("config", "domain_hints"), ["news", [1]]),
]
NO_OBJECTS = [NOTHING, None, "stream", 5, True, [], [{"stream_id": "s"}]]
HELPER = {
    "source_language": "en",
    "target_language": "es",
    "voice_profile": "default",
    "format": "pcm_f32le",
    "sample_rate": 48000,
    "channels": 2,
    "chunk_duration_ms": 6000,
}
"""The flat shape that one test helper of the field sends."""
INVALID: list[tuple[Any, str | None]] = [
    *((without(*path), ".".join(path)) for path in MISSING),
    *((with_value(value, *path), ".".join(path)) for path, values in WRONG for value in values),
    *((payload, None) for payload in NO_OBJECTS),
    (HELPER, "stream_id"),
]


async def test_an_init_that_is_wrong_is_refused_by_its_field_and_a_corrected_one_succeeds(door: Door) -> None:
    async with worker(door.url) as one:
        for payload, field in INVALID:
            await one.emit("stream:init", *([] if payload is NOTHING else [payload]))
            error = await one.error("INVALID_CONFIG")
            assert (error["retryable"], error["severity"]) == (False, "error")
            where = named(error) or ""
            assert where == (field or "") or where.startswith(f"{field}["), (payload, error)
        assert len({error["error_id"] for error in one.of("error")}) == len(INVALID)
        assert (await one.begin())["stream_id"] == one.stream_id
        await one.offer(0)
        assert (await one.result())["status"] == "success"


async def test_optional_fields_may_be_absent_and_unknown_ones_are_ignored(door: Door) -> None:
    async with worker(door.url) as one:
        ready = await one.begin({"domain_hints": ["Sports", "news"], "colour": "red"}, priority=None)
        assert ready["max_inflight"] == 3


@pytest.mark.parametrize(
    ("config", "code", "field"),
    [
        ({"voice_profile": "nobody"}, "INVALID_VOICE_PROFILE", "config.voice_profile"),
        ({"source_language": "fr"}, "UNSUPPORTED_LANGUAGE", "config.target_language"),
        ({"target_language": "en"}, "UNSUPPORTED_LANGUAGE", "config.target_language"),
    ],
)
async def test_what_cannot_be_dubbed_here_is_refused_at_once(
    door: Door, config: dict[str, Any], code: str, field: str
) -> None:
    async with worker(door.url) as one:
        await one.init(config)
        error = await one.error(code)
        assert (error["retryable"], error["severity"], named(error)) == (False, "error", field)
        assert await one.begin()


async def test_languages_that_an_engine_does_not_know_are_refused_at_once(tmp_path: Path) -> None:
    engines = {"stt": ScriptedStt([]), "tts": ScriptedTts([])}
    engines["stt"].capabilities = Capabilities("stt", languages=("en",))
    engines["tts"].capabilities = Capabilities("tts", languages=("es", "pt-BR"))
    async with dubbing(tmp_path, engines) as limited, worker(limited.url) as one:
        for config, field in (({"source_language": "fr"}, "source"), ({"target_language": "de"}, "target")):
            await one.init(config)
            assert named(await one.error("UNSUPPORTED_LANGUAGE")) == f"config.{field}_language"
        await one.begin({"source_language": "en-GB", "target_language": "pt"})


@pytest.mark.parametrize("content", [None, b"{", b'{"bob": {"colour": "red"}}'])
async def test_a_voices_file_that_cannot_be_read_ends_the_start(tmp_path: Path, content: bytes | None) -> None:
    voices = tmp_path / "voices.json"
    if content is not None:
        voices.write_bytes(content)
    with pytest.raises(InvalidRequest, match=r"voice|ANTIPHON_DUBBING_VOICES"):
        async with dubbing(tmp_path / "data", dubbing_voices=voices):
            pass


async def test_the_voices_file_that_comes_with_the_project_is_read(tmp_path: Path) -> None:
    voices = Path(__file__).parents[2] / "examples" / "voices" / "voices.json"
    async with dubbing(tmp_path, dubbing_voices=voices) as door, worker(door.url) as one:
        for number, profile in enumerate(("sample", "ana", "radio", "default")):
            await one.begin({"voice_profile": profile})
            await one.offer(number)
            assert (await one.result())["status"] == "success"


@pytest.mark.parametrize("profile", ["default", "bob", "tone"])
async def test_a_voice_is_a_profile_of_the_file_or_one_that_the_engine_lists(door: Door, profile: str) -> None:
    async with worker(door.url) as one:
        await one.begin({"voice_profile": profile})
        await one.offer(0)
        assert (await one.result())["status"] == "success"


async def test_before_its_beginning_there_is_no_stream(door: Door) -> None:
    async with worker(door.url) as one:
        for name in ("fragment:data", "stream:pause", "stream:resume", "stream:end"):
            for payload in ({}, {"stream_id": one.stream_id}, one.fragment(0)):
                await one.emit(name, payload)
                error = await one.error("STREAM_NOT_FOUND")
                assert (error["retryable"], error["severity"]) == (False, "error")
            assert error["stream_id"] == one.stream_id
            assert error.get("fragment_id") == (one.name(0) if name == "fragment:data" else None)
        assert await one.begin()


async def test_another_stream_than_the_connections_own_is_not_found(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin()
        await one.offer(0, stream_id="other")
        error = await one.error("STREAM_NOT_FOUND")
        assert (error["stream_id"], error["fragment_id"]) == ("other", one.name(0))
        for name in ("stream:pause", "stream:end"):
            await one.emit(name, {"stream_id": "other"})
            assert (await one.error("STREAM_NOT_FOUND"))["stream_id"] == "other"
        await one.offer(0)
        assert (await one.result())["status"] == "success", "neither paused nor ended"


@pytest.mark.parametrize("payload", ["x", 5, [], {"stream_id": 5}, {"stream_id": ""}, {"reason": 5}])
async def test_a_command_of_a_wrong_shape_is_refused_and_changes_nothing(door: Door, payload: Any) -> None:
    async with worker(door.url) as one:
        await one.begin()
        for name in ("stream:pause", "stream:resume", "stream:end"):
            await one.emit(name, payload)
            await one.error("INVALID_CONFIG")
        await one.offer(0)
        assert (await one.result())["status"] == "success"


# -- fragments -------------------------------------------------------------------------------------------------------
async def test_a_fragment_is_acknowledged_then_answered_with_all_that_was_made_of_it(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin()
        begin = time.time()
        await one.offer(0, metadata={"pts_ns": 1_000_000, "source_pts_ns": 5, "anything": None})
        ack = await one.only("fragment:ack")
        assert (ack["fragment_id"], ack["status"], ack["queue_position"]) == (one.name(0), "queued", 0)
        assert begin * 1000 - 1 <= ack["timestamp"] <= time.time() * 1000 + 1
        result = await one.only("fragment:processed")
    assert (result["fragment_id"], result["stream_id"], result["sequence_number"]) == (one.name(0), one.stream_id, 0)
    assert (result["status"], result["transcript"], result["translated_text"]) == ("success", "hello", "es HELLO")
    audio = {name: value for name, value in result["dubbed_audio"].items() if name != "data_base64"}
    assert audio == {"format": "pcm_s16le", "sample_rate_hz": RATE_HZ, "channels": 1, "duration_ms": DURATION_MS}
    assert len(audio_of(result)) == len(TONE)
    assert any(audio_of(result))
    assert sum(result["stage_timings"].values()) <= result["processing_time_ms"] < 20_000
    metadata = result["metadata"]
    assert (metadata["original_duration_ms"], metadata["dubbed_duration_ms"]) == (DURATION_MS, DURATION_MS)
    models = (metadata["asr_model"], metadata["translation_model"], metadata["tts_model"])
    assert models == ("stub-stt", "scripted", "stub-tts")


async def test_worker_of_the_field_sends_m4a_and_gets_m4a_of_the_same_length(door: Door) -> None:
    """It declares what its file may not hold: the container wins."""
    file = encode_fragment(TONE * 2, RATE_HZ, "m4a", 44_100, 1).data
    declared = sound(file, format="m4a", sample_rate_hz=48_000, channels=2, duration_ms=2 * DURATION_MS)
    async with worker(door.url) as one:
        await one.begin({"format": "m4a", "sample_rate_hz": 48_000, "channels": 2})
        await one.offer(0, audio=declared, metadata={"pts_ns": 0})
        result = await one.result()
    audio = result["dubbed_audio"]
    assert (result["status"], audio["format"], audio["sample_rate_hz"], audio["channels"]) == (
        "success", "m4a", 48_000, 2,
    )  # fmt: skip
    assert audio_of(result)[4:8] == b"ftyp"
    assert decode_fragment(audio_of(result), "m4a", 48_000, 2).duration_ms == pytest.approx(2 * DURATION_MS, abs=25)


async def test_results_come_in_the_order_of_their_numbers_whatever_comes_first(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin()
        for number in (3, 1, 2, 0):
            await one.offer(number)
        assert [(await one.result())["sequence_number"] for _ in range(4)] == [0, 1, 2, 3]
        assert not one.of("error")


async def test_a_fragment_in_flight_that_comes_again_is_acknowledged_again_and_answered_once(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin()
        with door.stt.held():
            await one.offer(0)
            await one.offer(0)
            acks = [await one.only("fragment:ack") for _ in range(2)]
        assert [ack["fragment_id"] for ack in acks] == [one.name(0)] * 2
        await one.result(one.name(0))
        await one.silent()
        assert (await one.end())["total_fragments"] == 1


async def test_a_fragment_that_was_answered_is_answered_again_from_memory(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin()
        await one.offer(0)
        first = await one.result()
        calls = door.stt.calls
        await one.offer(0)
        assert await one.next("fragment:processed") == first
        assert door.stt.calls == calls
        await one.silent()
        complete = await one.end()
        assert (complete["total_fragments"], complete["success_count"]) == (1, 1)


async def test_a_failure_that_may_not_be_retried_is_told_again_from_memory(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin()
        results: list[Any] = []
        for _ in range(2):
            await one.offer(0, audio=sound(b"no file", format="m4a"))
            results.append(await one.result())
        assert results[0] == results[1]
        complete = await one.end()
        assert (complete["total_fragments"], complete["failed_count"]) == (1, 1)


async def test_a_number_that_is_used_again_for_another_fragment_is_refused(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin()
        with door.stt.held():
            await one.accepted(0)
            await one.offer(0, "another")
            error = await one.error("INVALID_SEQUENCE")
        assert (error["fragment_id"], error["retryable"], error["details"]["received"]) == ("another", False, 0)
        await one.result(one.name(0))
        await one.offer(0, "another")
        error = await one.error("INVALID_SEQUENCE")
        assert (error["details"]["expected"], error["details"]["received"]) == (1, 0)


# -- what is no fragment -----------------------------------------------------------------------------------------------
def changed(**fields: Any) -> dict[str, Any]:
    payload = Worker("s").fragment(0)
    return {**payload, **fields}


def with_audio(**fields: Any) -> dict[str, Any]:
    return changed(audio=sound(**fields))


def lacking(name: str, inside: str = "") -> dict[str, Any]:
    payload = changed()
    del (payload[inside] if inside else payload)[name]
    return payload


MALFORMED: list[tuple[Any, str]] = [
    *((payload, "") for payload in NO_OBJECTS),
    *((lacking(name), name) for name in ("fragment_id", "stream_id", "sequence_number", "timestamp", "audio")),
    *((lacking(name, "audio"), f"audio.{name}") for name in sound()),
    *((changed(fragment_id=value), "fragment_id") for value in ("", 5, None)),
    *((changed(stream_id=value), "stream_id") for value in (5, None)),
    *((changed(sequence_number=value), "sequence_number") for value in (-1, 1.5, "0", True, None, 2**53)),
    *((changed(timestamp=value), "timestamp") for value in (-1, "now", None)),
    *((changed(audio=value), "audio") for value in (None, "", [], "UklGRg==")),
    *((changed(metadata=value), "metadata") for value in ("x", [])),
    *((with_audio(sample_rate_hz=value), "audio.sample_rate_hz") for value in (7_999, 96_001, "48000")),
    *((with_audio(channels=value), "audio.channels") for value in (0, 3)),
    *((with_audio(duration_ms=value), "audio.duration_ms") for value in (-1, 60_001, 1.5)),
    *((with_audio(data_base64=value), "audio.data_base64") for value in ("", 5, None, [])),
    *((with_audio(format=value), "audio.format") for value in (5, None)),
]
NO_AUDIO: list[tuple[Any, str]] = [
    *((with_audio(format=value), "audio.format") for value in ("mp3", "", "PCM_S16LE")),
    *((with_audio(data_base64=value), "audio.data_base64") for value in ("%%%%", "abc", "AAAA\n", "AA=A", "ÄÖÜß")),
]


@pytest.mark.parametrize(("cases", "code"), [(MALFORMED, "INVALID_CONFIG"), (NO_AUDIO, "INVALID_AUDIO_FORMAT")])
async def test_what_is_no_fragment_is_refused_by_its_field_and_uses_up_no_number(
    door: Door, cases: list[tuple[Any, str]], code: str
) -> None:
    async with worker(door.url, stream_id="s") as one:
        await one.begin()
        for payload, field in cases:
            await one.emit("fragment:data", *([] if payload is NOTHING else [payload]))
            error = await one.error(code)
            assert (error["retryable"], error["severity"], named(error) or "") == (False, "error", field), payload
            sent = payload.get("fragment_id") if isinstance(payload, dict) else None
            assert error.get("fragment_id") == (sent if isinstance(sent, str) and sent else None)
        await one.offer(0)
        assert (await one.result())["status"] == "success"
        assert (await one.end())["total_fragments"] == 1


async def test_bytes_in_place_of_base64_are_refused(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin()
        await one.offer(0, audio={**sound(), "data_base64": TONE})
        assert named(await one.error("INVALID_CONFIG")) == "audio.data_base64"
        await one.offer(0)
        assert (await one.result())["status"] == "success"


@pytest.mark.parametrize("fmt", ["m4a", "aac", "wav"])
async def test_a_file_that_cannot_be_decoded_fails_after_its_acknowledgement(door: Door, fmt: str) -> None:
    async with worker(door.url) as one:
        await one.begin()
        await one.offer(0, audio=sound(b"\x00\x01 no file of any kind" * 20, format=fmt))
        await one.only("fragment:ack")
        result = await one.only("fragment:processed")
        error = result["error"]
        assert (result["status"], error["stage"], error["code"], error["retryable"]) == (
            "failed", "asr", "INVALID_AUDIO_FORMAT", False,
        )  # fmt: skip
        await one.offer(1)
        assert (await one.result())["status"] == "success", "its number is used up, the stream goes on"


async def test_pcm_with_half_a_sample_is_dubbed_without_it(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin()
        await one.offer(0, data=TONE + b"\x01")
        result = await one.result()
    assert (result["status"], result["dubbed_audio"]["duration_ms"]) == ("success", DURATION_MS)


async def test_a_fragment_of_more_than_ten_mib_is_refused_and_one_of_ten_is_not(door: Door) -> None:
    most = 10 * 2**20
    """Base64 stands for three bytes at a time."""
    async with worker(door.url) as one:
        await one.begin()
        await one.offer(0, data=bytes(most + 3))
        error = await one.error("FRAGMENT_TOO_LARGE")
        assert (error["fragment_id"], error["retryable"], error["severity"]) == (one.name(0), False, "error")
        await one.offer(0, audio=sound(bytes(most), format="m4a"))
        await one.only("fragment:ack")
        assert (await one.result())["error"]["code"] == "INVALID_AUDIO_FORMAT", "it was looked at"


async def test_a_message_of_nearly_fifty_mib_is_answered(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin()
        await one.offer(0, audio={**sound(), "data_base64": "A" * (50 * 2**20 - 2000)})
        await one.error("FRAGMENT_TOO_LARGE")
        await one.offer(0)
        assert (await one.result())["status"] == "success"


async def test_events_that_nobody_knows_and_acks_of_the_worker_change_nothing(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin()
        await one.accepted(0)
        await one.result()
        for name in ("fragment:ack", "stream:ready", "stream", "", "*", "message", "config:error_simulation"):
            for payload in ({"fragment_id": one.name(0), "status": "received", "timestamp": 1}, "x", None, []):
                await one.emit(name, payload)
            await one.emit(name)
        await one.silent()
        assert (await one.end())["total_fragments"] == 1


# -- pause and pressure ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("named_stream", [True, False])
async def test_a_pause_delivers_what_is_under_way_and_takes_nothing_new(door: Door, named_stream: bool) -> None:
    async with worker(door.url) as one:
        whose = {"stream_id": one.stream_id} if named_stream else {}
        await one.begin()
        with door.stt.held():
            await one.accepted(0)
            await one.emit("stream:pause", {**whose, "reason": "advertising"})
            await one.emit("stream:pause", whose)
            await one.offer(1)
            error = await one.error("STREAM_PAUSED")
        assert (error["fragment_id"], error["retryable"], error["severity"]) == (one.name(1), False, "warning")
        await one.result(one.name(0))
        await one.emit("stream:resume", whose)
        await one.emit("stream:resume", whose)
        await one.offer(1)
        await one.only("fragment:ack")
        assert (await one.result())["sequence_number"] == 1


async def test_a_stream_that_is_paused_can_end(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin()
        await one.emit("stream:pause", {})
        assert (await one.end())["total_fragments"] == 0


async def test_a_window_that_fills_is_told_at_four_and_seven_and_the_eleventh_is_rejected(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin(max_inflight=2)
        with door.stt.held():
            for number in range(10):
                await one.offer(number)
                await one.next("fragment:ack")
            for fragment_id in ("eleventh", "twelfth"):
                await one.offer(10, fragment_id)
                error = await one.error("BACKPRESSURE_EXCEEDED")
                assert (error["fragment_id"], error["retryable"], error["severity"]) == (fragment_id, True, "warning")
        results = [await one.result() for _ in range(10)]
        assert [result["sequence_number"] for result in results] == list(range(10))
        await one.offer(10, "eleventh")
        assert (await one.result("eleventh"))["sequence_number"] == 10, "it used up no number"
    told = one.of("backpressure")
    bands = [(event["severity"], event["action"], event["current_inflight"]) for event in told]
    assert bands == [("medium", "slow_down", 4), ("high", "pause", 7), ("medium", "slow_down", 6), ("low", "none", 3)]
    assert [event.get("recommended_delay_ms") for event in told] == [500, 2000, 500, None]
    assert [event["threshold_exceeded"] for event in told] == ["medium", "high", "medium", None]
    assert {(event["stream_id"], event["max_inflight"]) for event in told} == {(one.stream_id, 2)}
    assert [event["queue_depth"] for event in told[:2]] == [4, 7]
    assert all(event["queue_depth"] <= event["current_inflight"] for event in told)


# -- the end ---------------------------------------------------------------------------------------------------------
async def test_an_end_waits_for_what_is_in_flight_and_closes_the_connection_after_a_while(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin()
        await one.offer(0, audio=sound(b"no file", format="m4a"))
        await one.result()
        with door.stt.held():
            await one.accepted(1, 2)
            begin = time.monotonic()
            await one.emit("stream:end", {"stream_id": one.stream_id})
            await one.offer(3)
            assert (await one.error("STREAM_NOT_FOUND"))["details"]["state"] == "ending"
        assert [(await one.result())["sequence_number"] for _ in range(2)] == [1, 2]
        complete = await one.only("stream:complete")
        await one.ended()
        assert time.monotonic() - begin >= CLOSE_S
    counts = complete.pop("statistics")
    assert {name: complete[name] for name in counts} == counts, "the same numbers, flat and nested"
    expected = {"total_fragments": 3, "success_count": 2, "partial_count": 0, "failed_count": 1}
    assert {name: counts[name] for name in expected} == expected
    assert counts["error_breakdown"] == {"by_stage": {"asr": 1}, "by_code": {"INVALID_AUDIO_FORMAT": 1}}
    assert (complete["stream_id"], complete["total_duration_ms"]) == (one.stream_id, 3 * DURATION_MS)
    assert 0 < counts["avg_processing_time_ms"] <= counts["p95_processing_time_ms"]


async def test_an_end_brings_out_what_waits_behind_a_gap(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin()
        await one.accepted(2)
        await one.emit("stream:end", {})
        error = await one.next("error")
        assert (error["code"], error["details"]) == ("INVALID_SEQUENCE", {"expected": 0, "received": 2})
        assert (await one.only("fragment:processed"))["sequence_number"] == 2
        assert (await one.only("stream:complete"))["total_fragments"] == 1


async def test_after_its_end_the_connection_may_begin_another_stream(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin()
        await one.end()
        await one.begin()
        await one.offer(0)
        assert (await one.result())["status"] == "success"
        with pytest.raises(TimeoutError):
            await one.ended(CLOSE_S * 1.5)


async def test_who_ends_and_leaves_at_once_leaves_nothing_behind(door: Door) -> None:
    """By hand: the client of the field may drop what it has not sent when it leaves."""
    one = Worker()
    with door.stt.held():
        async with raw(door.url) as socket:
            await socket.emit("stream:init", one.init_payload())
            assert (await socket.event())[0] == "stream:ready"
            for number in range(4):
                await socket.emit("fragment:data", one.fragment(number))
                assert (await socket.event())[0] == "fragment:ack"
            series = f'sts_fragments_in_flight{{stream_id="{one.stream_id}"}}'
            assert door.metric(series) == 4
            await eventually(lambda: door.stt.waiting > 0)
            await socket.emit("stream:end", {"stream_id": one.stream_id})
        await eventually(lambda: door.metric(series) is None)
        await eventually(lambda: door.stt.waiting == 0)
    async with worker(door.url, stream_id=one.stream_id) as other:
        await other.begin()
        await other.offer(0)
        assert (await other.result())["status"] == "success"


async def test_who_leaves_in_the_middle_does_not_harm_who_comes_next(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin()
        with door.stt.held():
            await one.accepted(0, 1, 2, 3)
            await one.disconnect()
            async with worker(door.url) as other:
                await other.begin()
                await other.accepted(0)
    async with worker(door.url) as third:
        await third.begin()
        await third.offer(0)
        assert (await third.result())["status"] == "success"


async def test_series_of_a_stream_go_when_it_is_over(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin()
        await one.offer(0, audio=sound(b"no file", format="m4a"))
        await one.result()
        name = f'stream_id="{one.stream_id}"'
        assert name in door.served.process.services.metrics.render().decode()
        await one.end()
        await one.ended()
    await eventually(lambda: name not in door.served.process.services.metrics.render().decode())
    await eventually(lambda: door.metric("sts_sessions_active") == 0)


async def test_two_workers_have_a_stream_each(door: Door) -> None:
    async with worker(door.url) as one, worker(door.url) as other:
        await asyncio.gather(one.begin(), other.begin())
        with door.stt.held():
            await asyncio.gather(one.accepted(0, 1, 2, 3), other.accepted(0))
            await one.next("backpressure")
        for each, count in ((one, 4), (other, 1)):
            assert [(await each.result())["stream_id"] for _ in range(count)] == [each.stream_id] * count
        assert not other.of("backpressure")
        await one.end()
        await other.offer(1)
        assert (await other.result())["sequence_number"] == 1
