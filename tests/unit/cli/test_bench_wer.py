"""The comparison of short windows with padded ones, on two recordings."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from antiphon.cli.bench_wer import Result, run
from antiphon.errors import NotFound

AUDIO = Path(__file__).parents[2] / "audio"
MANIFEST = """
[[recordings]]
file = "spk2_snt2.wav"
text = "what joy there is in living today"

[[recordings]]
file = "noise2.wav"
text = ""
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("spk2_snt2.wav", "noise2.wav"):
        shutil.copy(AUDIO / name, tmp_path)
    (tmp_path / "recordings.toml").write_text(MANIFEST)
    return tmp_path


@pytest.mark.engines("whisper-base")
def test_errors_and_times_of_both_paths_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(folder, json_out=True)
    told = msgspec.json.decode(capsys.readouterr().out, type=Result)
    assert [row.file for row in told.rows] == ["spk2_snt2.wav", "noise2.wav"]
    assert told.rows[0].short.errors == 1
    assert told.short_wer == told.padded_wer == pytest.approx(1 / 7, abs=1e-3)
    assert told.noise_is_empty
    assert told.times_faster > 1
    assert told.times_faster == pytest.approx(told.padded_s / told.short_s, abs=0.01)


@pytest.mark.engines("whisper-base")
def test_people_get_a_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(folder, json_out=False)
    told = capsys.readouterr().out
    assert "spk2_snt2.wav" in told
    assert "word error rate: 14.3% by short windows" in told


def test_without_a_manifest_it_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no recordings\.toml"):
        run(tmp_path, json_out=True)
