"""The documentation says what is so: names in the written pages exist, and the generated ones are generated."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from antiphon.app.settings import settings_class

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
WRITTEN = sorted(path for path in DOCS.rglob("*.md") if path.parent.name != "reference")
GENERATED = sorted(path.name for path in (DOCS / "reference").iterdir())
OTHER_VARIABLES = {"ANTIPHON_CONFIG", "ANTIPHON_URL", "ANTIPHON_API_KEY"}
"""The settings file, and what examples and commands of clients read."""

_FENCE = re.compile(r"```(?P<language>\w*)\n(?P<code>.*?)```", re.DOTALL)
_VARIABLE = re.compile(r"ANTIPHON_[A-Z0-9_]+\b(?!\*)")
_EXAMPLE = re.compile(r"`(?:examples/)?(\w+\.py)`")
_TEST = re.compile(r"`(test_\w+)`")


def generate(*arguments: str, seed: str = "0") -> subprocess.CompletedProcess[str]:
    """Run ``docs/generate.py``, unmeasured: it loads the whole package to write about it."""
    command = [sys.executable, str(DOCS / "generate.py"), *arguments]
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    environment = unmeasured | {"PYTHONHASHSEED": seed}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_generated_files_are_the_same_on_every_run(tmp_path: Path) -> None:
    done = generate("--out", str(tmp_path), seed="1")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [".env.example", *GENERATED]
    for earlier in [ROOT / ".env.example", *(DOCS / "reference" / name for name in GENERATED)]:
        assert (tmp_path / earlier.name).read_bytes() == earlier.read_bytes(), "as an earlier run wrote it"


def test_a_file_that_is_out_of_date_is_noticed_and_left_alone(tmp_path: Path) -> None:
    shutil.copy(DOCS / "reference" / "errors.md", tmp_path)
    page = tmp_path / "metrics.md"
    page.write_text("old")
    done = generate("--check", "--out", str(tmp_path), "metrics.md", "errors.md")
    assert done.returncode == 1
    assert "metrics.md is out of date" in done.stdout
    assert "errors.md" not in done.stdout
    assert page.read_text() == "old"


def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = re.compile(r"""(?:src|<link[^>]*href|url\()\s*=?\s*["']?(?:https?:)?//""")
    for page in tmp_path.rglob("*.html"):
        assert not loaded.search(page.read_text("utf-8")), f"{page.name} loads from elsewhere"
    assert not list(tmp_path.rglob("*.py"))


@pytest.mark.parametrize("page", WRITTEN, ids=lambda path: path.stem)
def test_every_setting_that_a_page_names_exists(page: Path) -> None:
    known = {f"ANTIPHON_{name.upper()}" for name in settings_class().model_fields} | OTHER_VARIABLES
    named = set(_VARIABLE.findall(page.read_text("utf-8")))
    assert {name for name in named if name not in known and not name.endswith("_")} == set()


@pytest.mark.parametrize("page", WRITTEN, ids=lambda path: path.stem)
def test_every_example_and_test_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    examples = {path.name for path in (ROOT / "examples").glob("*.py")}
    named = {name for name in _EXAMPLE.findall(text) if f"examples/{name}" in text}
    assert named <= examples
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in _TEST.findall(text) if f"def {name}(" not in tests] == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda path: path.stem)
def test_the_python_of_a_page_is_python(page: Path) -> None:
    for code in _blocks(page, "python"):
        tree = ast.parse(f"async def page():\n{textwrap.indent(code, '    ')}")
        assert tree.body


def _blocks(page: Path, language: str) -> Iterator[str]:
    for found in _FENCE.finditer(page.read_text("utf-8")):
        if found["language"] == language:
            yield found["code"]


def test_every_decision_is_in_the_list_and_has_its_parts() -> None:
    index = (DOCS / "adr" / "index.md").read_text("utf-8")
    records = sorted((DOCS / "adr").glob("[0-9]*.md"))
    numbers = [int(path.name[:4]) for path in records]
    assert numbers == list(range(1, len(records) + 1))
    for path in records:
        text = path.read_text("utf-8")
        assert f"]({path.name})" in index
        for part in ("Status: ", "## Context", "## Decision", "## Consequences"):
            assert part in text, f"{path.name} lacks {part}"
