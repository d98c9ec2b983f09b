"""Progress of a recording."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from antiphon.cli.screen import ERR


@contextmanager
def audio_progress(what: str, total_s: float | None) -> Generator[Callable[[float], None]]:
    """Show progress on a terminal; elsewhere a line per tenth. ``total_s`` None: unknown."""
    if not sys.stderr.isatty():
        yield _tenths(what, total_s)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f} s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=ERR, transient=True) as bar:
        task = bar.add_task(what, total=total_s)
        yield lambda done_s: bar.update(task, completed=done_s)


def _tenths(what: str, total_s: float | None) -> Callable[[float], None]:
    last = 0

    def report(done_s: float) -> None:
        nonlocal last
        tenth = int(10 * done_s / total_s) if total_s else 0
        if tenth > last:
            last = tenth
            ERR.print(f"{what}: {done_s:.0f} of {total_s:.0f} s")

    return report
