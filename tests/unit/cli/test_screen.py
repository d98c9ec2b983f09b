"""What commands print with."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from antiphon.cli import screen
from antiphon.cli.screen import ERR, OUT, download_progress


def test_words_of_others_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    for console in (OUT, ERR):
        console.print("[es] hello [/b] :smile: 'antiphon[local]'")
    said = capsys.readouterr()
    assert said.out == said.err == "[es] hello [/b] :smile: 'antiphon[local]'\n"


def test_where_nobody_watches_a_download_has_a_line_at_its_beginning_and_its_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with download_progress() as report:
        for done in (0, 2**20, 2**21, 3 * 2**20):
            report("net", done, 3 * 2**20)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == ["fetching net (3 MiB)", "fetched net (3 MiB)"]


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
