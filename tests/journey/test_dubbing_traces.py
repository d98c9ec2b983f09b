"""What a served stream leaves with its operator: metrics, one log line for each fragment, and artifacts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from antiphon.audio.wav import read_wav
from tests.dubbing import DURATION_MS, SILENCE, TONE, Door, audio_of, dubbing, eventually, sound, worker

pytestmark = pytest.mark.asyncio(loop_scope="module")

STREAM = "broadcast-7"
SPOKEN, SILENT, BROKEN = (f"{STREAM}-{number}" for number in range(3))


class Traces:
    """What is left of a stream of one fragment that is dubbed, a silent one and one that cannot be decoded."""

    def __init__(self, door: Door, root: Path) -> None:
        self.door = door
        self.root = root
        self.results: dict[str, dict[str, Any]] = {}
        self.metrics: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        self.logs: list[Any] = []

    def metric(self, name: str, **labels: str) -> float | None:
        """The value of a series just before the stream ended, None where there was none."""
        return self.metrics.get((name, frozenset(labels.items())))

    def metadata(self, fragment_id: str) -> dict[str, Any]:
        """What is kept of a fragment beside its texts and audio."""
        return json.loads((self.root / STREAM / fragment_id / "metadata.json").read_bytes())

    def files(self, fragment_id: str) -> set[str]:
        """The names of what is kept of a fragment."""
        return {path.name for path in (self.root / STREAM / fragment_id).iterdir()}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def traces(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Traces]:
    folder = tmp_path_factory.mktemp("traces")
    async with dubbing(folder / "data", dubbing_artifacts_path=folder / "kept") as door:
        left = Traces(door, folder / "kept")
        async with worker(door.url, stream_id=STREAM) as one:
            await one.begin()
            with capture_logs() as left.logs:
                await one.offer(0)
                left.results[SPOKEN] = await one.result(SPOKEN)
                await one.offer(1, data=SILENCE)
                left.results[SILENT] = await one.result(SILENT)
                await one.offer(2, audio=sound(b"no file", format="m4a"))
                left.results[BROKEN] = await one.result(BROKEN)
            text = door.served.process.services.metrics.render().decode()
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    left.metrics[sample.name, frozenset(sample.labels.items())] = sample.value
            await one.end()
        await eventually(lambda: (left.root / STREAM / BROKEN / "metadata.json").is_file())
        yield left


async def test_each_result_names_three_models_unless_it_failed(traces: Traces) -> None:
    names = ("asr_model", "translation_model", "tts_model")
    models = {
        which: [result["metadata"][name] for name in names]
        for which, result in traces.results.items()
        if which != BROKEN
    }
    assert models == {SPOKEN: ["stub-stt", "stub", "stub-tts"], SILENT: ["stub-stt", "none", "none"]}
    assert "metadata" not in traces.results[BROKEN]


async def test_results_are_counted_by_how_they_came_out(traces: Traces) -> None:
    for status, count in (("success", 2), ("failed", 1)):
        labels = {"stream_id": STREAM, "status": status}
        assert traces.metric("sts_fragment_processing_seconds_count", **labels) == count
        assert traces.metric("ws_fragments_processed_total", **labels) == count
    wait_ms = traces.metric("ws_queue_wait_time_ms_count", stream_id=STREAM)
    failed = {"stream_id": STREAM, "stage": "asr", "error_code": "INVALID_AUDIO_FORMAT"}
    assert (wait_ms, traces.metric("sts_fragment_errors_total", **failed)) == (3, 1)


async def test_the_stages_are_timed_and_the_window_is_measured(traces: Traces) -> None:
    timings = [result["stage_timings"] for result in traces.results.values()]
    for stage in ("asr", "translation", "tts"):
        reached = sum(timing[f"{stage}_ms"] > 0 for timing in timings)
        spent_ms = sum(timing[f"{stage}_ms"] for timing in timings)
        assert traces.metric(f"sts_{stage}_duration_seconds_count") == reached
        assert (traces.metric("ws_fragment_processing_ms_sum", stage=stage) or 0) == spent_ms
    for gauge in ("sts_fragments_in_flight", "ws_queue_depth"):
        assert traces.metric(gauge, stream_id=STREAM) == 0
    for gauge in ("sts_sessions_active", "ws_active_connections", "ws_active_streams"):
        assert traces.metric(gauge) == 1
    assert traces.metric("ws_connections_total", status="accepted") == 1
    assert traces.metric("sts_gpu_utilization_percent") == 0


async def test_each_fragment_has_one_log_line_that_tells_nothing_of_what_was_said(traces: Traces) -> None:
    lines = [line for line in traces.logs if line["event"] == "fragment processed"]
    assert [line["fragment_id"] for line in lines] == [SPOKEN, SILENT, BROKEN]
    for line, result in zip(lines, traces.results.values(), strict=True):
        assert {name: line[name] for name in ("stream_id", "sequence_number", "status")} == {
            name: result[name] for name in ("stream_id", "sequence_number", "status")
        }
        assert line["processing_ms"] == result["processing_time_ms"]
        assert {name: line[name] for name in result["stage_timings"]} == result["stage_timings"]
    assert len({line["session_id"] for line in lines}) == 1
    assert [(line["stage"], line["error_code"]) for line in lines] == [
        (None, None),
        (None, None),
        ("asr", "INVALID_AUDIO_FORMAT"),
    ]
    assert "hello" not in json.dumps(lines)


async def test_a_dubbed_fragment_is_kept_with_its_texts_its_audio_and_where_each_came_from(traces: Traces) -> None:
    result, folder, told = traces.results[SPOKEN], traces.root / STREAM / SPOKEN, traces.metadata(SPOKEN)
    assert traces.files(SPOKEN) == {
        *("metadata.json", "transcript.txt", "translation.txt", "dubbed_audio.wav", "original_audio.wav")
    }
    assert (folder / "transcript.txt").read_text() == result["transcript"]
    assert (folder / "translation.txt").read_text() == result["translated_text"]
    assert read_wav((folder / "original_audio.wav").read_bytes()).data == TONE
    assert read_wav((folder / "dubbed_audio.wav").read_bytes()).data == audio_of(result)
    assert (told["status"], told["stage_timings"]) == ("success", result["stage_timings"])
    assert told["asset_lineage"] == {
        "original_audio_asset_id": f"audio-original-{SPOKEN}",
        "transcript_asset_id": f"transcript-{SPOKEN}",
        "translation_asset_id": f"translation-{SPOKEN}",
        "audio_asset_id": f"audio-dubbed-{SPOKEN}",
    }
    assert [asset["asset_id"] for asset in told["assets"]] == list(told["asset_lineage"].values())
    assert [(asset["component_instance"], asset["model_id"]) for asset in told["assets"]] == [
        ("gateway", "none"),
        ("stub", "stub-stt"),
        ("stub", "stub"),
        ("stub", "stub-tts"),
    ]
    original = told["assets"][0]
    assert (original["component"], original["format"], original["duration_ms"]) == ("ingest", "pcm_s16le", DURATION_MS)
    assert (original["status"], original["parent_asset_ids"]) == ("SUCCESS", [])


async def test_silence_and_failure_are_kept_as_far_as_they_came(traces: Traces) -> None:
    told = traces.metadata(SILENT)
    assert [asset["component"] for asset in told["assets"]] == ["ingest", "asr", "tts"]
    assert (traces.root / STREAM / SILENT / "transcript.txt").read_text() == ""
    told = traces.metadata(BROKEN)
    assert traces.files(BROKEN) == {"metadata.json", "original_audio.m4a"}
    assert (told["status"], told["error"]["code"]) == ("failed", "INVALID_AUDIO_FORMAT")
    assert [(asset["component"], asset["status"]) for asset in told["assets"]] == [
        ("ingest", "SUCCESS"),
        ("asr", "FAILED"),
    ]
