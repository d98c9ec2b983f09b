"""What commands print with."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn
from rich.table import Table
from rich.text import Text

from antiphon.cli import screen
from antiphon.cli.screen import ERR, OUT, Screen, download_progress, print_json


def test_words_of_others_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    for console in (OUT, ERR):
        console.print("[es] hello [/b] :smile: 'antiphon[local]'")
    said = capsys.readouterr()
    assert said.out == said.err == "[es] hello [/b] :smile: 'antiphon[local]'\n"


HOSTILE = "a\x1b]0;pwned\x07b\x9b31mc\x1b[2Jd\u061ce\u202ef\u2066g\x7fh\ud800i"


@pytest.mark.parametrize("is_terminal", [False, True])
def test_nothing_that_others_said_steers_the_terminal(*, is_terminal: bool) -> None:
    terminal = io.StringIO()
    shown_on = Screen(file=terminal, force_terminal=is_terminal, markup=False, emoji=False, width=200)
    table = Table(HOSTILE, title=HOSTILE)
    table.add_row(HOSTILE)
    for shown in (HOSTILE, Text(HOSTILE), table):
        shown_on.print(shown, soft_wrap=True)
    for sign in HOSTILE:  # as a model says it, in deltas
        shown_on.print(sign, end="")
    with Progress(TextColumn("{task.description}"), console=shown_on, transient=True) as bar:
        bar.add_task(HOSTILE)
    text = terminal.getvalue()
    assert "\\x1b]0;pwned" in text
    assert "b\\x9b31mc\\x1b[2Jd\\x61ce\\x202ef\\x2066g\\x7fh\\xd800i" in text
    assert not {"\x07", "\x9b", "\u061c", "\u202e", "\u2066", "\x7f", "\ud800"} & set(text)
    assert not any(end in text for end in ("\x1b]0", "\x1b[2J"))
    assert is_terminal or "\x1b" not in text


def test_words_of_several_lines_keep_them(capsys: pytest.CaptureFixture[str]) -> None:
    OUT.print("one\ntwo", end="\n")
    assert capsys.readouterr().out == "one\ntwo\n"


def test_json_means_the_same_and_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    said = HOSTILE.replace("\ud800", "ñ\n")
    print_json({"said": said})
    line = capsys.readouterr().out
    assert json.loads(line) == {"said": said}
    assert not {"\x1b", "\x07", "\x9b", "\u061c", "\u202e", "\x7f"} & set(line)
    assert "ñ" in line
    assert line.count("\n") == 1


def test_where_nobody_watches_a_download_has_a_line_at_its_beginning_and_its_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with download_progress() as report:
        for done in (0, 2**20, 2**21, 3 * 2**20):
            report("net", done, 3 * 2**20)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == ["downloading net (3 MiB)", "downloaded net (3 MiB)"]


def test_on_a_terminal_a_bar_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(screen, "ERR", Console(file=terminal, force_terminal=True, width=100))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with download_progress() as report:
        report("net", 0, 3 * 2**20)
        report("net", 3 * 2**20, 3 * 2**20)
    shown = terminal.getvalue()
    assert "net" in shown
    assert "3.1/3.1 MB" in shown
