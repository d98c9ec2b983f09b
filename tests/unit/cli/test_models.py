"""``antiphon models``: what is listed, brought and checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from antiphon.cli.main import run
from antiphon.cli.models import models
from tests.fakes.wheels import make_wheel
from tests.unit.cli.shelf import MODEL, put

pytestmark = pytest.mark.usefixtures("shelf")


def command(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[str, str]:
    """Run ``antiphon models …`` and return what it printed and said."""
    with pytest.raises(SystemExit) as ended:
        run(["models", *words])
    assert ended.value.code == code
    said = capsys.readouterr()
    return said.out, said.err


def test_the_list_says_what_is_here_and_what_works_without_it(
    stubs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(stubs, "mouth")
    monkeypatch.setenv("COLUMNS", "200")
    out, _ = command(capsys, "list")
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]
    assert rows == [
        ["big-ear", "stt", "3", "no", "yes", "MIT", ""],
        ["small-ear", "stt", "3", "no", "no", "MIT", "a pencil"],
        ["mouth", "tts", "3", "yes", "no", "BSD-2-Clause", ""],
    ]


def test_the_list_as_json_is_one_array(stubs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(stubs, "mouth")
    out, _ = command(capsys, "list", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert rows["big-ear"]["default"] is True
    assert rows["mouth"] == {
        "name": "mouth",
        "kind": "tts",
        "bytes": len(MODEL),
        "here": True,
        "default": False,
        "licence": "BSD-2-Clause",
        "folder": str(stubs / "weights" / "mouth"),
    }


def test_weights_are_brought_by_name_and_are_where_the_engines_look(
    stubs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = command(capsys, "pull", "mouth", "small-ear")
    folders = [stubs / "weights" / name for name in ("mouth", "small-ear")]
    assert "".join(out.split()) == "".join(f"{folder.name}:{folder}" for folder in folders)
    assert all((folder / "model.bin").read_bytes() == MODEL for folder in folders)
    assert "downloading mouth (3 MiB)" in err
    assert "downloaded small-ear (3 MiB)" in err
    again, quiet = command(capsys, "pull", "mouth")
    assert again.startswith("mouth: ")
    assert quiet == ""


def test_without_a_name_the_default_ones_are_brought(
    shelf: Path, stubs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_wheel(shelf, "big", "1.0", {"model.bin": MODEL})
    other = stubs.parent / "elsewhere"
    command(capsys, "pull", "--data-dir", str(other))
    assert [path.name for path in (other / "weights").iterdir() if path.is_dir()] == ["big-ear"]


def test_weights_that_no_source_gives_are_an_error_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    _, err = command(capsys, "pull", "big-ear", code=1)
    assert err.splitlines()[-1].startswith("antiphon: all sources of big-ear failed: ")
    assert "antiphon models pull big-ear" in err


def test_offline_nothing_is_brought(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_OFFLINE", "1")
    _, err = command(capsys, "pull", "mouth", code=1)
    assert "downloads are forbidden" in err


def test_weights_that_differ_from_the_table_are_found(stubs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(stubs, "mouth")
    put(stubs, "small-ear", b"x" * len(MODEL))
    out, _ = command(capsys, "verify", code=1)
    assert out.splitlines() == ["small-ear: differs; run `antiphon models pull`", "mouth: ok"]
    assert command(capsys, "verify", "mouth")[0] == "mouth: ok\n"


def test_a_name_that_is_not_there_is_told_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    for word in ("pull", "verify"):
        _, err = command(capsys, word, "nose", code=1)
        assert err == "antiphon: no weights are called 'nose'; there are big-ear, small-ear, mouth\n"


def test_the_commands_are_these() -> None:
    assert {name for name in models if not name.startswith("-")} == {"list", "pull", "verify"}
