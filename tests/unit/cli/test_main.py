"""The command itself: help with examples, plain output where it is piped, errors in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from cyclopts import App

from antiphon.cli import main
from antiphon.cli.main import commands as listed_commands
from antiphon.cli.main import make_app, run
from antiphon.errors import InvalidRequest, WeightsMissing
from antiphon.version import VERSION

pytestmark = pytest.mark.usefixtures("stubs")


def commands(app: App, *before: str) -> Iterator[tuple[str, ...]]:
    """Yield every command, and those inside it."""
    for name in app:
        if not name.startswith("-"):
            yield (*before, name)
            yield from commands(app[name], *before, name)


ALL = list(commands(make_app()))
HEAVY = (
    "antiphon.app.process", "antiphon.app.settings", "antiphon.doors.access",
    "antiphon.doors.http", "antiphon.doors.websocket", "antiphon.providers", "antiphon.workers",
    "starlette", "pydantic", "sqlalchemy", "uvicorn",
)  # fmt: skip


def test_there_are_the_commands_that_the_list_names() -> None:
    assert {words[0] for words in ALL} == set(listed_commands())
    assert ("models", "pull") in ALL


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_the_help_of_every_command_says_what_it_does_and_shows_an_example(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run([*words, "--help"])
    assert ended.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    usage, _, example = shown.partition("Example: antiphon ")
    assert usage.startswith(f"Usage: antiphon {' '.join(words)}")
    assert example.startswith(words[0])


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_parameter_of_every_command_is_explained(words: tuple[str, ...]) -> None:
    app = make_app()
    for word in words:
        app = app[word]
    arguments = app.assemble_argument_collection(parse_docstring=True) if app.default_command else []
    unexplained = [argument.name for argument in arguments if argument.show and not argument.parameter.help]
    assert unexplained == []


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_the_list_of_commands_has_a_line_for_each_and_imports_none(words: list[str]) -> None:
    code = (
        f"import sys; from antiphon.cli.main import run; HEAVY = {HEAVY!r}\n"
        f"try: run({words!r})\n"
        "except SystemExit: pass\n"
        "print([name for name in sys.modules if name.startswith(HEAVY)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for name, (_, line) in listed_commands().items():
        assert name in done.stdout
        assert line in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", sorted(set(listed_commands()) - {"serve", "worker"}))
def test_a_command_that_serves_nothing_imports_no_web_server(name: str) -> None:
    code = f"import sys, antiphon.cli.{name}\nprint([name for name in ('starlette', 'uvicorn') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip() == VERSION


@pytest.mark.parametrize("arguments", [["--help"], ["models", "list"], ["doctor", "--port", "0"]], ids=" ".join)
def test_output_that_is_piped_has_no_colours(arguments: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    command = [sys.executable, "-m", "antiphon", *arguments]
    done = subprocess.run(command, env=environment | {"TERM": "xterm-256color"}, capture_output=True, check=False)
    assert done.stdout
    assert b"\x1b" not in done.stdout + done.stderr


def test_a_command_that_is_not_there_is_told_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(["sing"])
    assert ended.value.code == 2
    said = "".join(capsys.readouterr())
    assert "sing" in said
    assert "talk" in said


# -- errors ------------------------------------------------------------------------------------------------------------
def failing(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next command fail like this."""

    def app(words: Any) -> None:
        raise error

    monkeypatch.setattr(main, "app", app)


@pytest.mark.parametrize(("error", "lines"), [
    (InvalidRequest("no such file"), ["antiphon: no such file"]),
    (InvalidRequest("no such file", detail="why not"), ["antiphon: no such file: why not"]),
    (InvalidRequest("it said: \x1b]0;pwned\x07\x9b31m\nb"), ["antiphon: it said: \\x1b]0;pwned\\x07\\x9b31m\\x0ab"]),
    (ExceptionGroup("g", [InvalidRequest("one")]), ["antiphon: one"]),
    (
        ExceptionGroup("g", [ExceptionGroup("h", [WeightsMissing("one")]), InvalidRequest("two")]),
        ["antiphon: one", "antiphon: two"],
    ),
])  # fmt: skip
def test_an_error_of_ours_is_one_line_and_exit_code_1(
    error: Exception, lines: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(error, monkeypatch)
    with pytest.raises(SystemExit) as ended:
        run(["serve"])
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert (said.out, said.err.splitlines()) == ("", lines)


@pytest.mark.parametrize(
    "error", [ValueError("a fault"), ExceptionGroup("g", [InvalidRequest("one"), ValueError("a")])]
)
def test_a_fault_keeps_its_traceback(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(error, monkeypatch)
    with pytest.raises(type(error)):
        run(["serve"])


def test_an_interrupt_ends_with_the_code_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(KeyboardInterrupt(), monkeypatch)
    with pytest.raises(SystemExit) as ended:
        run(["serve"])
    assert ended.value.code == 130
