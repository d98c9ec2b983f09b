"""Turns that noise begins, and how soon speech does."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from antiphon.app.settings import load_settings
from antiphon.cli import bench_noise
from antiphon.cli.bench_noise import NoiseRow, judged, measure, onset_s, run

AUDIO = Path(__file__).parents[2] / "audio"
MANIFEST = """
[[recordings]]
file = "spk2_snt2.wav"
text = "what joy there is in living"

[[recordings]]
file = "noise2.wav"
text = ""
"""


def test_a_detector_is_judged_by_the_turns_of_noise_and_by_the_slowest_beginnings() -> None:
    row = judged("ours", {"a": [], "b": [[56.0, 59.0]]}, [100.0, 40.0, 60.0])
    assert (row.turns_per_minute, row.in_turns) == ({"a": 0, "b": 1}, {"a": 0, "b": 0.05})
    assert (row.onsets, row.speeches, row.delay_p50_ms, row.delay_p95_ms, row.met) == (3, 3, 60.0, 100.0, True)
    assert not judged("ours", {"b": [[1.0, 2.5], [3.0, 4.5]]}, [100.0]).met
    assert not judged("ours", {"b": [[57.0]]}, [100.0]).met
    assert not judged("ours", {}, [60.0, 201.0]).met
    deaf = judged("ours", {}, [None])
    assert (deaf.onsets, deaf.delay_p95_ms, deaf.met) == (0, math.inf, False)


def test_speech_begins_where_it_is_no_more_than_20_db_below_its_loudest() -> None:
    levels = np.repeat([100, 900, 100, 2_000, 10_000], [4_800, 240, 2_160, 480, 24_000])
    assert onset_s(levels.astype(np.int16)) == pytest.approx(0.3)


async def test_the_door_hears_speech_and_no_turn_in_noise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_noise, "NOISE_S", 2)
    monkeypatch.setattr(bench_noise, "DETECTORS", ("energy", "stub"))
    for name in ("spk2_snt2.wav", "noise2.wav"):
        shutil.copy(AUDIO / name, tmp_path)
    (tmp_path / "recordings.toml").write_text(MANIFEST)
    rows = await measure(tmp_path, load_settings())
    assert [(row.detector, row.onsets, row.speeches) for row in rows] == [("energy", 3, 3), ("stub", 3, 3)]
    assert all(set(row.turns_per_minute) == {"noise2.wav"} for row in rows)
    assert all(0 <= row.delay_p50_ms <= row.delay_p95_ms < 500 for row in rows)


def test_a_detector_is_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    row = judged("ours", {"hum.wav": [[30.0]]}, [50.0])

    async def measured(*_: object) -> list[NoiseRow]:
        return [row]

    monkeypatch.setattr(bench_noise, "measure", measured)
    run(AUDIO, json_out=False)
    assert "hum.wav: 1 (50%)" in capsys.readouterr().out
    run(AUDIO, json_out=True)
    assert msgspec.json.decode(capsys.readouterr().out, type=list[NoiseRow]) == [row]
