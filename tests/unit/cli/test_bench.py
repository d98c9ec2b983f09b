"""``antiphon bench``: which benchmarks there are, and how their figures are told."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from antiphon.cli import bench
from antiphon.cli.main import run
from benchmarks.figures import Figure

pytestmark = pytest.mark.usefixtures("stubs")

FIGURES = [
    Figure("A1", "first byte", 12.345678, "ms", limit=20, floor=10.0, floor_is="bare echo"),
    Figure("A2", "sessions", 90, "", limit=100, more=True),
    Figure("", "cores", 2, ""),
]


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """A checkout with two benchmarks; returns how they were run, short or not."""
    asked: list[bool] = []

    def measure(short: bool) -> list[Figure]:
        asked.append(short)
        return FIGURES

    folder = tmp_path / "benchmarks"
    folder.mkdir()
    for name in ("stage", "figures", "quick", "thorough"):
        (folder / f"{name}.py").touch()
    for name in ("quick", "thorough"):
        monkeypatch.setitem(sys.modules, f"benchmarks.{name}", SimpleNamespace(run=measure))
    monkeypatch.setattr(bench, "SOURCE", tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    return asked


def command(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[str, str]:
    with pytest.raises(SystemExit) as ended:
        run(["bench", *words])
    assert ended.value.code == code
    said = capsys.readouterr()
    return said.out, said.err


def test_every_figure_is_a_row_with_its_floor_and_its_result(
    source: list[bool], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    out, err = command(capsys, "quick")
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]
    assert rows == [
        ["A1", "first byte", "12.35 ms", "10 (bare echo)", "<= 20", "yes"],
        ["A2", "sessions", "90", "", ">= 100", "NO"],
        ["", "cores", "2", "", "", ""],
    ]
    assert err == "measuring quick ...\n"
    assert source == [True]


def test_without_a_name_all_are_measured_and_as_json_they_are_one_array(
    source: list[bool], capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = command(capsys, "--full", "--json")
    rows = json.loads(out)
    assert [row["met"] for row in rows] == [True, False, None] * 2
    assert rows[0]["floor_is"] == "bare echo"
    assert err.splitlines() == ["measuring quick ...", "measuring thorough ..."]
    assert source == [False, False]


def test_a_name_that_is_not_there_is_told_with_those_that_are(
    source: list[bool], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(capsys, "slow", code=1) == (
        "",
        (
            "antiphon: unknown benchmark 'slow'; choose from quick, thorough, answers, noise, phrases, switch,"
            " translation, wer\n"
        ),
    )


def test_an_installed_package_has_no_benchmarks_and_says_where_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "SOURCE", tmp_path)
    _, err = command(capsys, code=1)
    assert "make bench" in err


def test_the_word_error_rate_is_asked_for_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, err = command(capsys, "wer", "--recordings", str(tmp_path), code=1)
    assert "recordings.toml" in err


def test_every_benchmark_of_the_checkout_can_be_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", sys.path[:])
    for name in bench._names():
        module = bench.importlib.import_module(f"benchmarks.{name}")
        assert callable(module.run), name
