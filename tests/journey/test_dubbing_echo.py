"""Echo mode: a server that sends fragments back, and fails where the worker's test wishes it to."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.dubbing import DURATION_MS, TONE, Door, Worker, audio_of, dubbing, sound, worker

pytestmark = pytest.mark.asyncio(loop_scope="module")

DELAY_MS = 100


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    async with dubbing(tmp_path_factory.mktemp("echo"), dubbing_mode="echo") as running:
        yield running


def rule(trigger: str, value: Any, code: str = "TIMEOUT", **fields: Any) -> dict[str, Any]:
    return {"trigger": trigger, "value": value, "error_code": code, "error_message": "as was wished", **fields}


async def simulated(one: Worker, *rules: dict[str, Any], enabled: bool = True) -> dict[str, Any]:
    """Set the rules, and return what is answered."""
    await one.emit("config:error_simulation", {"enabled": enabled, "rules": list(rules)})
    return await one.only("config:error_simulation:ack")


async def outcome(one: Worker, number: int, fragment_id: str = "") -> str:
    """Send a fragment, and return the code it failed with, or its status."""
    await one.offer(number, fragment_id)
    result = await one.result()
    return result["error"]["code"] if result["status"] == "failed" else result["status"]


async def test_what_it_can_is_told_as_an_object(door: Door) -> None:
    async with worker(door.url) as one:
        ready = await one.begin()
    assert ready["capabilities"] == {"batch_processing": False, "async_delivery": True}
    assert "server_capabilities" not in ready


@pytest.mark.parametrize("config", [{"format": "m4a", "sample_rate_hz": 48_000, "channels": 2}, {}])
async def test_audio_comes_back_unchanged_whatever_it_is(door: Door, config: dict[str, Any]) -> None:
    """No engine looks at it, and no language is unknown."""
    audio = sound(b"\x00 no file at all \xff", format="m4a", sample_rate_hz=44_100, channels=2, duration_ms=77)
    async with worker(door.url) as one:
        await one.begin({**config, "source_language": "tlh", "target_language": "qya"})
        await one.offer(0, audio=audio)
        result = await one.result()
    assert result["dubbed_audio"] == audio
    assert (result["status"], result["metadata"]["duration_variance_percent"]) == ("success", 0)
    assert result["transcript"].startswith("[ECHO]")
    assert result["translated_text"].startswith("[ECHO]")
    models = {result["metadata"][f"{stage}_model"] for stage in ("asr", "translation", "tts")}
    assert models == {"echo-mock"}


async def test_ten_fragments_are_back_unchanged_and_in_order(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin()
        for number in range(10):
            await one.offer(number)
        results = [await one.result() for _ in range(10)]
        assert (await one.end())["success_count"] == 10
    assert [audio_of(result) for result in results] == [TONE] * 10


async def test_the_wished_latency_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHO_PROCESSING_DELAY_MS", str(DELAY_MS))
    async with dubbing(tmp_path, dubbing_mode="echo") as slow, worker(slow.url) as one:
        await one.begin()
        await one.offer(0)
        assert (await one.result())["processing_time_ms"] >= DELAY_MS


async def test_voices_of_elsewhere_are_taken(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin({"voice_profile": "a voice of the real service"})
        assert await outcome(one, 0) == "success"


# -- failures that were wished for -------------------------------------------------------------------------------------
async def test_each_trigger_fails_its_fragments_as_it_says(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin()
        ack = await simulated(
            one,
            rule("sequence_number", 1, "MODEL_ERROR", retryable=True, stage="tts"),
            rule("fragment_id", "doomed", "ASR_FAILED", retryable=False),
            rule("nth_fragment", 4, "TRANSLATION_FAILED", retryable=False, stage="translation"),
        )
        assert (ack["status"], ack["rules_count"]) == ("accepted", 3)
        outcomes = [await outcome(one, number, "doomed" if number == 2 else "") for number in range(9)]
        assert outcomes == [
            "success", "MODEL_ERROR", "ASR_FAILED", "TRANSLATION_FAILED", "success",
            "success", "success", "TRANSLATION_FAILED", "success",
        ]  # fmt: skip
        errors = [result["error"] for result in one.of("fragment:processed") if result["status"] == "failed"]
        assert [(error["stage"], error["retryable"]) for error in errors] == [
            ("tts", True), ("asr", False), ("translation", False), ("translation", False),
        ]  # fmt: skip
        assert {error["message"] for error in errors} == {"as was wished"}
        complete = await one.end()
    assert complete["error_breakdown"] == {
        "by_stage": {"tts": 1, "asr": 1, "translation": 2},
        "by_code": {"MODEL_ERROR": 1, "ASR_FAILED": 1, "TRANSLATION_FAILED": 2},
    }


async def test_the_first_rule_that_fits_counts_and_a_rule_needs_no_more_than_three_fields(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin()
        short = {"trigger": "nth_fragment", "value": 1, "error_code": "TIMEOUT"}
        await simulated(one, short, rule("sequence_number", 0, "GPU_OOM"))
        await one.offer(0)
        error = (await one.result())["error"]
    assert (error["code"], error["retryable"]) == ("TIMEOUT", True)
    assert error["stage"] in ("asr", "translation", "tts")


async def test_new_rules_replace_the_old_and_none_end_it(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin()
        await simulated(one, rule("nth_fragment", 1))
        assert await outcome(one, 0) == "TIMEOUT"
        await simulated(one, rule("sequence_number", 2, "GPU_OOM"))
        assert [await outcome(one, 1), await outcome(one, 2)] == ["success", "GPU_OOM"]
        assert (await simulated(one, rule("nth_fragment", 1), enabled=False))["status"] == "accepted"
        assert await outcome(one, 3) == "success"


async def test_a_retry_of_a_wished_failure_goes_well_when_the_rule_is_gone(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin()
        await simulated(one, rule("sequence_number", 0))
        assert await outcome(one, 0) == "TIMEOUT"
        await simulated(one, enabled=False)
        assert await outcome(one, 0) == "success"
        complete = await one.end()
    assert (complete["total_fragments"], complete["success_count"], complete["failed_count"]) == (1, 1, 0)


NO_SIMULATION: list[Any] = [
    None, "x", [], {}, {"enabled": "yes"}, {"enabled": True, "rules": "all"}, {"enabled": True, "rules": [5]},
    *({"enabled": True, "rules": [wrong]} for wrong in (
        {}, rule("moon", 1), rule("nth_fragment", 0), rule("nth_fragment", "one"), rule("sequence_number", "0"),
        rule("sequence_number", None), rule("fragment_id", "f", ""), rule("fragment_id", "f", stage="pipeline"),
        rule("fragment_id", "f", retryable="no"),
    )),
]  # fmt: skip


async def test_rules_of_a_wrong_shape_are_rejected_and_those_before_stay(door: Door) -> None:
    async with worker(door.url) as one:
        await one.begin()
        await simulated(one, rule("nth_fragment", 1))
        for payload in NO_SIMULATION:
            await one.emit("config:error_simulation", payload)
            ack = await one.only("config:error_simulation:ack")
            assert (ack["status"], ack["rules_count"]) == ("rejected", 0), payload
            assert ack["message"] == ack["error_message"]
        assert await outcome(one, 0) == "TIMEOUT"


async def test_without_a_stream_there_is_nothing_to_simulate(door: Door) -> None:
    async with worker(door.url) as one:
        await one.emit("config:error_simulation", {"enabled": True, "rules": [rule("nth_fragment", 1)]})
        await one.error("STREAM_NOT_FOUND")


# -- a connection that ends as was wished ------------------------------------------------------------------------------
@pytest.mark.parametrize("begins", [True, False])
async def test_the_connection_ends_when_it_was_wished(door: Door, begins: bool) -> None:
    async with worker(door.url) as one:
        if begins:
            await one.begin()
        wall, begin = time.time(), time.monotonic()
        await one.emit("simulate:disconnect", {"delay_ms": DELAY_MS, "reason": "a test"})
        ack = await one.only("simulate:disconnect:ack")
        assert int(wall * 1000) <= ack["disconnect_at_ms"] - DELAY_MS <= time.time() * 1000 + 1
        await one.ended()
        assert time.monotonic() - begin >= DELAY_MS / 1000


async def test_a_wished_end_is_not_put_off_by_what_the_worker_does_meanwhile(door: Door) -> None:
    async with worker(door.url) as one:
        await one.emit("simulate:disconnect", {"delay_ms": DELAY_MS})
        await one.begin()
        await one.ended()


@pytest.mark.parametrize("payload", ["soon", {"delay_ms": -1}, {"delay_ms": "5"}, {"delay_ms": 60_001}])
async def test_a_wish_for_the_end_of_a_wrong_shape_is_refused(door: Door, payload: Any) -> None:
    async with worker(door.url) as one:
        await one.begin()
        await one.emit("simulate:disconnect", payload)
        await one.error("INVALID_CONFIG")
        assert await outcome(one, 0) == "success"


async def test_what_echo_mode_offers_is_unknown_otherwise(tmp_path: Path) -> None:
    async with dubbing(tmp_path) as full, worker(full.url) as one:
        await one.begin()
        await one.emit("simulate:disconnect", {"delay_ms": 0})
        await one.emit("config:error_simulation", {"enabled": True, "rules": [rule("nth_fragment", 1)]})
        await one.silent()
        assert await outcome(one, 0) == "success"
        assert one.of("fragment:processed")[0]["dubbed_audio"]["duration_ms"] == DURATION_MS
