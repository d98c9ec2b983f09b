"""The house keeps its own rules: imports go one way, files and functions stay short, errors keep details back."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

Lint = Callable[[], subprocess.CompletedProcess[str]]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package that may be broken."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(ROOT / "src" / "antiphon", tmp_path / "src" / "antiphon", ignore=ignored))


@pytest.fixture
def lint(package: Path) -> Lint:
    """``lint-imports`` on the copy."""

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
            cwd=package.parents[1],
            env={**os.environ, "PYTHONPATH": str(package.parent)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def append(path: Path, line: str) -> None:
    path.write_text(f"{path.read_text()}\n{line}\n")


def test_the_house_as_it_stands_keeps_every_contract(lint: Lint) -> None:
    done = lint()
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("wire/jobs.py", "import antiphon.bus.embedded", "Imports go downwards only"),
        ("bus/embedded.py", "import antiphon.store.sqlite", "Imports go downwards only"),
        ("doors/access/authentication.py", "import antiphon.workers.loop", "Imports go downwards only"),
        ("doors/access/authentication.py", "import antiphon.bus.embedded", "name adapters"),
        ("app/asgi.py", "import antiphon.policy.window", "name adapters"),
        ("conversation/machine.py", "import asyncio", "A session is a value"),
        ("wire/jobs.py", "import antiphon.wire.dubbing_server", "know no message of a door"),
        ("ports/bus.py", "import antiphon.wire.realtime_items", "know no message of a door"),
        ("workers/loop.py", "import sqlalchemy", "know no database and no web server"),
        ("doors/translation/session.py", "import antiphon.doors.realtime.session", "Doors share what lies below them"),
        ("doors/server/app.py", "import antiphon.doors.access.authentication", "Doors share what lies below them"),
        ("doors/errors.py", "import antiphon.doors.server.frames", "Doors share what lies below them"),
        ("providers/anthropic/llm.py", "import antiphon.providers.openai.llm", "Engines share what lies below them"),
        ("providers/hosting/speed.py", "import antiphon.providers.weights.files", "Engines share what lies below them"),
        ("providers/chains/kinds.py", "import antiphon.providers.registry", "Engines share what lies below them"),
    ],
)
def test_a_wrong_import_breaks_its_contract(package: Path, lint: Lint, module: str, line: str, contract: str) -> None:
    append(package / module, line)
    done = lint()
    assert done.returncode == 1, done.stdout
    assert any(contract in kept and "BROKEN" in kept for kept in done.stdout.splitlines()), done.stdout


@pytest.mark.parametrize("folder", ["", "doors", "providers"])
def test_a_folder_without_a_place_in_the_layers_is_refused(package: Path, lint: Lint, folder: str) -> None:
    (package / folder / "attic").mkdir()
    (package / folder / "attic" / "__init__.py").touch()
    done = lint()
    assert done.returncode == 1
    assert "attic" in done.stdout


_FOR_CLIENTS = {"ProviderBusy", "ProviderRejected", "ProviderTimeout", "ProviderUnavailable", "RateLimited"}


@pytest.mark.parametrize("area", ["bus", "connections", "providers", "state", "store", "workers"])
def test_what_others_say_of_an_error_is_no_part_of_what_a_client_is_told(area: str) -> None:
    told: list[str] = []
    for path in sorted((ROOT / "src" / "antiphon" / area).rglob("*.py")):
        handlers = [one for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.ExceptHandler)]
        told += [f"{path.name}:{line}" for handler in handlers for line in _repeats(handler)]
    assert told == [], "give it as detail="


def _repeats(handler: ast.ExceptHandler) -> Iterator[int]:
    """Yield the lines that raise an error for clients whose message is made of the one that was caught."""
    for raised in ast.walk(handler):
        match raised:
            case ast.Raise(exc=ast.Call(func=ast.Name(id=kind), args=[message, *_])) if kind in _FOR_CLIENTS:
                words = ast.unparse(message)
                is_ours = words == f"{handler.name}.message" or ".strerror" in words
                if not is_ours and handler.name in {one.id for one in ast.walk(message) if isinstance(one, ast.Name)}:
                    yield raised.lineno


_MOST_LINES = 400
_MOST_LINES_OF_A_FUNCTION = 60


def _modules() -> Iterator[tuple[str, str]]:
    """Yield every module of the package, and its text."""
    package = ROOT / "src" / "antiphon"
    for path in sorted(package.rglob("*.py")):
        yield path.relative_to(package).as_posix(), path.read_text()


def test_no_file_is_longer_than_400_lines() -> None:
    assert {name for name, text in _modules() if text.count("\n") > _MOST_LINES} == set()


@pytest.mark.parametrize("room", ["doors", "providers"])
def test_no_three_modules_of_a_folder_share_a_prefix(room: str) -> None:
    folders: dict[tuple[str, str], list[str]] = {}
    for name, _ in _modules():
        path = Path(name)
        if path.parts[0] == room and "_" in path.stem.strip("_"):
            folders.setdefault((path.parent.as_posix(), path.stem.split("_")[0]), []).append(name)
    assert [names for names in folders.values() if len(names) > 2] == []


def test_no_function_is_longer_than_60_lines() -> None:
    too_long = {
        f"{name}:{node.name}"
        for name, text in _modules()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _lines(node) > _MOST_LINES_OF_A_FUNCTION
    }
    assert too_long == set()


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function; its docstring, which is the help text of a command, does not count."""
    first = function.body[0]
    has_docstring = ast.get_docstring(function, clean=False) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if has_docstring else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


# -- tests mirror the source -------------------------------------------------------------------------------------------
_OF_THE_WHOLE = {"test_house.py", "test_tools.py", "test_words.py"}
"""Files about the tree and not about a module."""
_MIGRATIONS = ("store/migrations/versions/", "store/migrations/env.py")
"""Run by Alembic: ``test_migrate.py`` has their tests."""


def _has_behaviour(text: str) -> bool:
    """Say whether a module does anything: one that only declares types, ports or settings has no tests of its own."""
    functions = [one for one in ast.walk(ast.parse(text)) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    return any(_does_something(line) for function in functions for line in function.body)


def _does_something(line: ast.stmt) -> bool:
    is_text = isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)
    return not is_text and not isinstance(line, ast.Pass)


def test_every_module_has_its_tests_under_its_name() -> None:
    modules = {name for name, text in _modules() if Path(name).name not in {"__init__.py", "__main__.py"}}
    doing = {name for name, text in _modules() if name in modules and _has_behaviour(text)}
    doing = {name for name in doing if not name.startswith(_MIGRATIONS)}
    tests = ROOT / "tests" / "unit"
    found = {path.relative_to(tests).as_posix() for path in tests.rglob("test_*.py")} - _OF_THE_WHOLE
    named = {name: Path(name).with_name(f"test_{Path(name).name}").as_posix() for name in modules}
    assert {name for name in doing if named[name] not in found} == set(), "modules without tests"
    assert found - set(named.values()) == set(), "tests of no module"
