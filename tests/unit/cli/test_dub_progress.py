"""How far a recording has come, on a terminal and elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from antiphon.cli import dub_progress
from antiphon.cli.dub_progress import audio_progress


def test_where_nobody_watches_each_tenth_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with audio_progress("dubbing film.mp4", 20.0) as report:
        for done_s in (1.0, 2.5, 3.0, 7.0, 20.0):
            report(done_s)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [f"dubbing film.mp4: {done_s} of 20 s" for done_s in (2, 7, 20)]


def test_where_the_length_is_not_known_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with audio_progress("dubbing film.mp4", None) as report:
        report(20.0)
    assert capsys.readouterr().err == ""


def test_on_a_terminal_a_bar_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(dub_progress, "ERR", Console(file=terminal, force_terminal=True, width=100))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with audio_progress("dubbing film.mp4", 20.0) as report:
        report(20.0)
    shown = terminal.getvalue()
    assert "dubbing film.mp4" in shown
    assert "20 s" in shown
