"""One recording through a server: whole servers of ours, and one that behaves badly by a script."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pybase64
import pytest
from structlog.testing import capture_logs

from antiphon.audio.media import open_recording, write_track
from antiphon.audio.pcm import Samples
from antiphon.cli import dub_client, dub_flow, dub_run
from antiphon.cli.dub_client import DubbingClient
from antiphon.cli.dub_run import Dubbed, Wanted, dub_recording, samples_of
from antiphon.errors import InvalidRequest, ProviderTimeout, ProviderUnavailable, Unauthenticated
from antiphon.wire.dubbing_server import DubbedAudio
from tests.fakes.dubbing_server import DubbingServer, Events, dubbing_server, echoed
from tests.faults import faulty
from tests.serving import serving

RATE_HZ = 8_000
QUICK: dict[str, Any] = {"stub_text": "hello", "stub_tts_ms_per_word": 50}
SHORT = Wanted("en", "es", chunk_ms=1_000, fixed=True)

pytestmark = pytest.mark.usefixtures("stubs")


@pytest.fixture(autouse=True)
def _no_logs() -> Iterator[None]:
    """Servers run in this process."""
    with capture_logs():
        yield


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits a second in the field waits hardly at all."""
    monkeypatch.setattr(dub_flow, "RETRY_S", 0.02)
    monkeypatch.setattr(dub_run, "RECONNECT_S", (0.0, 0.02, 0.05, 0.1))
    monkeypatch.setattr(dub_client, "READY_S", 2.0)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Five seconds and a bit of a rising tone."""
    time_s = np.arange(round(5.25 * RATE_HZ)) / RATE_HZ
    path = tmp_path / "original.wav"
    with write_track(path, RATE_HZ, 1) as track:
        track.write((np.sin(time_s * time_s * 300) * 8_000).astype(np.int16)[:, None])
    return path


@pytest.fixture
async def bad() -> AsyncIterator[DubbingServer]:
    async with dubbing_server() as server:
        yield server


def samples(path: Path) -> Samples:
    with open_recording(path) as opened:
        return np.concatenate(list(opened.blocks()))


async def dub(
    recording: Path, url: str, wanted: Wanted = SHORT, *, key: str = "", show: Callable[[float], None] = lambda _: None
) -> tuple[Dubbed, Samples]:
    """Return what came of it, and the new track."""
    out = recording.with_name("dubbed.wav")
    with open_recording(recording) as opened, write_track(out, opened.rate_hz, opened.channels) as track:
        async with asyncio.timeout(20):
            dubbed = await dub_recording(opened, track, wanted, lambda: DubbingClient(url, key), show)
    return dubbed, samples(out)


def statuses(dubbed: Dubbed) -> list[str]:
    return [row.status for row in dubbed.rows]


# -- with a whole server -----------------------------------------------------------------------------------------------
async def test_every_fragment_stands_where_its_original_stood(tmp_path: Path, recording: Path) -> None:
    shown: list[float] = []
    async with serving(tmp_path, **QUICK) as served:
        dubbed, track = await dub(recording, served.url, show=shown.append)
    assert statuses(dubbed) == ["success"] * 6
    assert [row.sequence for row in dubbed.rows] == list(range(6))
    assert [row.start_ms for row in dubbed.rows] == [0, 1_000, 2_000, 3_000, 4_000, 5_000]
    assert {row.translated_text for row in dubbed.rows} == {"[es] hello"}
    assert len(track) == len(samples(recording))
    assert dubbed.original_ms == 5_250
    assert shown == [1.0, 2.0, 3.0, 4.0, 5.0, 5.25]
    for start in range(0, 5 * RATE_HZ, RATE_HZ):  # a tone for each word, then silence
        assert np.abs(track[start : start + 600]).max() > 500
        assert np.abs(track[start + 2_000 : start + RATE_HZ - 100]).max() == 0


async def test_speech_that_is_too_long_sounds_on_under_the_next(tmp_path: Path, recording: Path) -> None:
    settings = {"stub_text": "one two three", "stub_tts_ms_per_word": 590, "dubbing_variance_partial": 0.3}
    async with serving(tmp_path, **settings) as served:
        dubbed, track = await dub(recording, served.url)
    assert statuses(dubbed)[0] == "partial"
    first = dubbed.rows[0].dubbed_duration_ms or 0
    assert 1_100 < first <= 1_300
    assert len(track) == len(samples(recording))


@pytest.mark.parametrize("fallback", ["silence", "original"])
async def test_what_could_not_be_dubbed_is_silent_or_as_it_was(tmp_path: Path, recording: Path, fallback: Any) -> None:
    settings = {"stub_text": "one two three four", "stub_tts_ms_per_word": 2_000}
    async with serving(tmp_path, **settings) as served:
        dubbed, track = await dub(recording, served.url, Wanted("en", "es", chunk_ms=1_000, fallback=fallback))
    assert set(statuses(dubbed)) == {"failed"}
    assert "tts DURATION_MISMATCH_EXCEEDED" in (dubbed.rows[0].error or "")
    assert all(row.tries == 1 for row in dubbed.rows)
    if fallback == "original":
        assert np.array_equal(track, samples(recording))
    else:
        assert np.abs(track).max() == 0


async def test_the_original_goes_on_quietly_where_it_is_wished(tmp_path: Path, recording: Path) -> None:
    async with serving(tmp_path, **QUICK) as served:
        wanted = Wanted("en", "es", chunk_ms=1_000, fixed=True, original_volume=0.5)
        _, track = await dub(recording, served.url, wanted)
    quiet = slice(RATE_HZ // 2, RATE_HZ)
    assert np.abs(track[quiet] - samples(recording)[quiet] / 2).max() <= 1


async def test_a_passing_failure_is_tried_once_more(tmp_path: Path, recording: Path) -> None:
    async with serving(tmp_path, **QUICK, stub_stt_ms=300, dubbing_asr_timeout_ms=20) as served:
        dubbed, _ = await dub(recording, served.url)
    assert [row.tries for row in dubbed.rows] == [2] * 6
    assert "asr TIMEOUT" in (dubbed.rows[0].error or "")


async def test_live_no_fragment_is_sent_before_it_was_heard(tmp_path: Path, recording: Path) -> None:
    short = tmp_path / "short.wav"
    with write_track(short, RATE_HZ, 1) as track:
        track.write(samples(recording)[: round(1.4 * RATE_HZ)])
    async with serving(tmp_path, **QUICK) as served:
        begun = time.monotonic()
        dubbed, _ = await dub(short, served.url, Wanted("en", "es", chunk_ms=1_000, live=True, max_inflight=1))
    assert time.monotonic() - begun >= 1.4
    assert statuses(dubbed) == ["success"] * 2
    assert all(row.latency_ms is not None and row.latency_ms > 0 for row in dubbed.rows)


async def test_a_lost_connection_is_made_anew_and_nothing_is_missing(tmp_path: Path, recording: Path) -> None:
    async with serving(tmp_path, **QUICK, stub_stt_ms=50) as served:
        host, port = served.url.removeprefix("http://").split(":")
        async with faulty(host, int(port)) as proxy:
            first = asyncio.Event()

            async def cut() -> None:
                await first.wait()
                await proxy.set("down")
                await proxy.set("none")

            async with asyncio.TaskGroup() as group:
                group.create_task(cut())
                dubbed, track = await dub(recording, f"http://{proxy.address}", show=lambda _: first.set())
    assert dubbed.reconnections == 1
    assert statuses(dubbed) == ["success"] * 6
    assert len(track) == len(samples(recording))


async def test_a_wrong_key_is_told_with_the_option_that_gives_one(tmp_path: Path, recording: Path) -> None:
    async with serving(tmp_path, **QUICK, api_keys="sk-right-0123456789abc") as served:
        dubbed, _ = await dub(recording, served.url, key="sk-right-0123456789abc")
        assert len(dubbed.rows) == 6
        with pytest.raises(Unauthenticated, match="--key or ANTIPHON_API_KEY"):
            await dub(recording, served.url, key="sk-wrong")
        assert not recording.with_name("dubbed.wav.part").exists()


async def test_a_voice_that_there_is_not_is_told_with_its_option(tmp_path: Path, recording: Path) -> None:
    async with serving(tmp_path, **QUICK) as served:
        with pytest.raises(InvalidRequest, match="--voice default") as refused:
            await dub(recording, served.url, Wanted("en", "es", voice="nobody"))
    assert (refused.value.code, refused.value.param) == ("INVALID_VOICE_PROFILE", "voice")


# -- with one that behaves badly ---------------------------------------------------------------------------------------
async def test_what_was_said_of_the_stream(bad: DubbingServer, recording: Path) -> None:
    wanted = Wanted("en", "pt-BR", "ana", ("sports", "news"), 2_000, max_inflight=2)
    dubbed, track = await dub(recording, bad.url, wanted)
    (init,) = bad.inits
    assert init["max_inflight"] == 2
    assert init["timeout_ms"] == 30_000
    assert init["config"] == {
        "source_language": "en",
        "target_language": "pt-BR",
        "voice_profile": "ana",
        "chunk_duration_ms": 2_000,
        "sample_rate_hz": RATE_HZ,
        "channels": 1,
        "format": "pcm_s16le",
        "domain_hints": ["sports", "news"],
    }
    assert [one["sequence_number"] for one in bad.fragments] == list(range(len(dubbed.rows)))
    starts = [one["metadata"]["pts_ns"] for one in bad.fragments]
    assert starts == [row.start_ms * 1_000_000 for row in dubbed.rows]
    sent = b"".join(pybase64.b64decode(one["audio"]["data_base64"]) for one in bad.fragments)
    assert sent == samples(recording).tobytes()
    assert np.array_equal(track, samples(recording))  # an echo, put together again


@pytest.mark.parametrize("end", ["drop", "STREAM_NOT_FOUND"])
async def test_a_server_that_forgot_everything_gets_what_has_no_result_from_0(
    bad: DubbingServer, recording: Path, end: str
) -> None:
    def answer(count: int, fragment: dict[str, Any]) -> Events:
        if count == 2:
            return [("drop", None)] if end == "drop" else bad.error("STREAM_NOT_FOUND", fragment)
        return echoed(fragment)

    bad.on_fragment = answer
    dubbed, track = await dub(recording, bad.url, Wanted("en", "es", chunk_ms=1_000, fixed=True, max_inflight=1))
    assert dubbed.reconnections == 1
    assert len({init["stream_id"] for init in bad.inits}) == 1
    assert [one["sequence_number"] for one in bad.fragments] == [0, 1, 0, 1, 2, 3, 4]
    assert np.array_equal(track, samples(recording))


async def test_a_server_that_refuses_for_now_gets_it_again(bad: DubbingServer, recording: Path) -> None:
    def answer(count: int, fragment: dict[str, Any]) -> Events:
        return bad.error("RATE_LIMIT", fragment, retryable=True) if count <= 3 else echoed(fragment)

    bad.on_fragment = answer
    dubbed, _ = await dub(recording, bad.url)
    assert statuses(dubbed) == ["success"] * 6
    assert len(bad.fragments) == 9


async def test_a_fragment_that_is_refused_for_good_fails_and_the_others_go_on(
    bad: DubbingServer, recording: Path
) -> None:
    def answer(count: int, fragment: dict[str, Any]) -> Events:
        return bad.error("FRAGMENT_TOO_LARGE", fragment) if count == 2 else echoed(fragment)

    bad.on_fragment = answer
    dubbed, track = await dub(recording, bad.url)
    assert statuses(dubbed) == ["success", "failed", *["success"] * 4]
    assert dubbed.rows[1].error == "FRAGMENT_TOO_LARGE: FRAGMENT_TOO_LARGE."
    assert np.abs(track[RATE_HZ : 2 * RATE_HZ]).max() == 0


async def test_a_paused_stream_sends_nothing_until_it_is_lifted(bad: DubbingServer, recording: Path) -> None:
    pressed = {"stream_id": "s", "current_inflight": 7, "max_inflight": 3, "queue_depth": 1}
    arrived: list[int] = []

    def answer(count: int, fragment: dict[str, Any]) -> Events:
        arrived.append(fragment["sequence_number"])
        result = echoed(fragment)
        if count > 1:
            return result
        pause = ("backpressure", {**pressed, "severity": "high", "action": "pause", "recommended_delay_ms": 2_000})
        lift = ("backpressure", {**pressed, "severity": "low", "action": "none"})
        return [pause, *result, lift]

    bad.on_fragment = answer
    dubbed, _ = await dub(recording, bad.url, Wanted("en", "es", chunk_ms=1_000, fixed=True, max_inflight=1))
    assert statuses(dubbed) == ["success"] * 6
    assert arrived == list(range(6))


async def test_a_server_that_always_hangs_up_is_given_up(
    bad: DubbingServer, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dub_run, "MOST_FRUITLESS", 2)
    bad.on_fragment = lambda _, __: [("drop", None)]
    with pytest.raises(ProviderUnavailable, match="lost 3 times without a result"):
        await dub(recording, bad.url)
    assert len(bad.inits) == 3
    assert [path.name for path in recording.parent.iterdir() if path.name.startswith("dubbed")] == []


async def test_a_server_that_is_gone_for_good_is_told_with_why(bad: DubbingServer, recording: Path) -> None:
    def answer(_: int, __: dict[str, Any]) -> Events:
        bad.refusal = ("not today", None)
        return [("drop", None)]

    bad.on_fragment = answer
    with pytest.raises(ProviderUnavailable, match=r"reconnecting failed: .* refused the connection: not today"):
        await dub(recording, bad.url)


async def test_a_server_that_says_nothing_any_more_is_given_up(
    bad: DubbingServer, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dub_run, "STALL_S", -29.8)
    bad.on_fragment = lambda _, __: []
    with pytest.raises(ProviderTimeout, match="sent nothing"):
        await dub(recording, bad.url)


async def test_a_server_that_is_never_ready_is_given_up(
    bad: DubbingServer, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dub_client, "READY_S", 0.1)
    bad.on_init = lambda _: [("fragment:ack", {"fragment_id": "x", "status": "queued", "timestamp": 1,
                                               "queue_position": 0, "estimated_completion_ms": 0})]  # fmt: skip
    with pytest.raises(ProviderTimeout, match="did not answer within"):
        await dub(recording, bad.url)


async def test_a_server_that_hangs_up_instead_of_being_ready_is_told(bad: DubbingServer, recording: Path) -> None:
    bad.on_init = lambda _: [("drop", None)]
    with pytest.raises(ProviderUnavailable, match="closed the connection"):
        await dub(recording, bad.url)


@pytest.mark.parametrize(("code", "fields", "kind", "hint", "param"), [
    ("UNSUPPORTED_LANGUAGE", {"details": {"param": "config.target_language"}}, InvalidRequest, "antiphon doctor", "to"),
    (
        "UNSUPPORTED_LANGUAGE",
        {"message": "'antiphon doctor' knows.", "details": {"param": "config.source_language"}},
        InvalidRequest,
        "^'antiphon doctor' knows.$",
        "from",
    ),
    ("INVALID_CONFIG", {}, InvalidRequest, "INVALID_CONFIG", None),
    ("RATE_LIMIT", {"retryable": True}, ProviderUnavailable, "RATE_LIMIT", None),
])  # fmt: skip
async def test_a_stream_that_is_refused_says_what_to_do(
    bad: DubbingServer, recording: Path, code: str, fields: Any, kind: type[Exception], hint: str, param: str | None
) -> None:
    bad.on_init = lambda _: bad.error(code, **fields)
    with pytest.raises(kind, match=hint) as refused:
        await dub(recording, bad.url)
    assert getattr(refused.value, "code", None) == code
    assert getattr(refused.value, "param", None) == param


async def test_samples_that_were_not_asked_for_end_the_run(bad: DubbingServer, recording: Path) -> None:
    bad.on_fragment = lambda _, fragment: echoed(fragment, dubbed_audio={**fragment["audio"], "format": "m4a"})
    with pytest.raises(ProviderUnavailable, match="sent m4a"):
        await dub(recording, bad.url)


def test_half_a_frame_is_dropped() -> None:
    data = pybase64.b64encode(bytes(11)).decode()
    audio = DubbedAudio(format="pcm_s16le", sample_rate_hz=8_000, channels=2, duration_ms=1, data_base64=data)
    assert samples_of(audio, 8_000, 2).shape == (2, 2)


@asynccontextmanager
async def _closed() -> AsyncIterator[DubbingClient]:
    link = DubbingClient("http://127.0.0.1:9", "")
    yield link
    await link.close()


async def test_what_is_sent_on_no_connection_is_answered_by_its_loss() -> None:
    async with _closed() as link:
        with pytest.raises(ProviderUnavailable, match="closed the connection"):
            await link.end("stream")
