"""What the commands print with: plain when piped, coloured on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from antiphon.providers.weights import Progress as Report

# what is printed holds words of others: brackets and colons in them are no markup
OUT = Console(highlight=False, markup=False, emoji=False)
"""Results."""
ERR = Console(stderr=True, highlight=False, markup=False, emoji=False)
"""Progress and remarks: never mixed into results."""


@contextmanager
def download_progress() -> Generator[Report]:
    """Show bytes on a terminal; a line at the beginning and the end of each file elsewhere."""
    if not sys.stderr.isatty():
        yield _lines
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=ERR, transient=True) as bar:
        tasks = {}

        def report(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total)
            bar.update(tasks[name], completed=done)

        yield report


def _lines(name: str, done: int, total: int) -> None:
    if done in (0, total):
        word = "fetching" if done == 0 else "fetched"
        ERR.print(f"{word} {name} ({total / 2**20:.0f} MiB)")
