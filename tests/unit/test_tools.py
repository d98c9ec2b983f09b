"""The tools around the code judge as they say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import layers
from tests.chaos.defects import DEFECTS, PACKAGE, Defect
from tests.layers import BARS, Bar, shares
from tools.audit import COPYLEFT_EXTRAS, DENIED, parts


@pytest.mark.parametrize(
    "licence",
    ["GPL-3.0-or-later", "GNU General Public License v3 (GPLv3)", "AGPL-3.0", "CC-BY-NC-4.0", "UNKNOWN", "SSPL-1.0"],
)
def test_a_licence_that_binds_users_is_denied(licence: str) -> None:
    assert DENIED.search(licence)


@pytest.mark.parametrize(
    "licence", ["MIT", "LGPL-2.1-or-later", "GNU Lesser General Public License v3 (LGPLv3)", "MPL-2.0", "Apache-2.0"]
)
def test_a_permissive_or_lesser_licence_passes(licence: str) -> None:
    assert not DENIED.search(licence)


def test_only_the_named_extras_may_be_copyleft() -> None:
    free = [part.name for part in parts() if not part.may_be_copyleft]
    assert free[:2] == ["core", "local"]
    assert not set(free) & set(COPYLEFT_EXTRAS)


def test_a_bar_counts_lines_and_branches_of_its_files_only() -> None:
    inside = {"covered_lines": 9, "num_statements": 10, "covered_branches": 3, "num_branches": 4}
    outside = {"covered_lines": 0, "num_statements": 90, "covered_branches": 0, "num_branches": 40}
    bar = Bar("the wire", ("src/antiphon/wire/",), 95)
    assert shares(bar, {"src/antiphon/wire/a.py": inside, "src/antiphon/bus/b.py": outside}) == (90.0, 75.0)


def test_the_conversation_the_wire_and_the_errors_have_the_higher_bar() -> None:
    assert {bar.name: bar.percent for bar in BARS} == {
        "everything": 90,
        "the conversation": 95,
        "dubbing": 95,
        "the wire": 95,
        "errors": 95,
    }


# -- tests that fail and pass ------------------------------------------------------------------------------------------
FLAKY = """
from pathlib import Path

def test_passes_from_the_second_time_on():
    flag = Path(__file__).with_name("ran")
    ran = flag.exists()
    flag.touch()
    assert ran

def test_passes():
    pass
"""


UNREADABLE_AT_FIRST = FLAKY.replace("def test_passes_from_the_second_time_on():", "if True:")
"""A file whose import fails the first time: where nothing else runs then, a second try would hide it."""


def layer_of(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, list[str]]:
    """Run a layer with one file of tests; returns its result and its flaky tests."""
    (folder / "tests" / "abuse").mkdir(parents=True)
    (folder / "tests" / "abuse" / "test_it.py").write_text(text)
    monkeypatch.setattr(layers, "ROOT", folder)
    monkeypatch.setattr(layers, "SHARED", {})
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    (_, _, result), flaky = layers.run_layer("abuse", plain | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}, folder)
    return result, flaky


def test_a_test_that_passes_when_run_again_is_told_as_flaky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, flaky = layer_of(FLAKY, tmp_path, monkeypatch)
    assert result == "ok, 1 flaky"
    assert [name.rpartition("/")[2] for name in flaky] == ["test_it.py::test_passes_from_the_second_time_on"]


@pytest.mark.parametrize(("text", "exit_code"), [
    (FLAKY + "\ndef test_fails():\n    assert False\n", 1),
    ("".join(f"def test_{number}():\n    assert False\n\n" for number in range(layers.MOST_RERUN + 1)), 1),
    (UNREADABLE_AT_FIRST, 2),
])  # fmt: skip
def test_a_layer_with_a_test_that_fails_again_has_failed(
    text: str, exit_code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, flaky = layer_of(text, tmp_path, monkeypatch)
    assert result == f"FAILED (exit {exit_code})"
    assert not flaky


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_a_planted_defect_finds_its_line_once(defect: Defect) -> None:
    places = [(defect.file, defect.right), *([defect.also[:2]] if defect.also[0] else [])]
    assert [(PACKAGE / file).read_text("utf-8").count(line) for file, line in places] == [1] * len(places)
