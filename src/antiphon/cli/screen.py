"""Consoles of the commands: plain when piped, coloured on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager

import msgspec
from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.segment import Segment

from antiphon.observe.controls import LAYOUT, escaped, spelled
from antiphon.providers.weights.files import Progress as Report


class Screen(Console):
    """A console that escapes control characters in foreign text."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Generator[Segment]:
        """Yield segments with escaped text; control segments of the console itself pass."""
        for segment in super().render(renderable, options):
            is_text = segment.control is None
            yield Segment(spelled(segment.text, keeps=LAYOUT), segment.style) if is_text else segment


# brackets and colons in foreign text are not markup
OUT = Screen(highlight=False, markup=False, emoji=False)
"""Results."""
ERR = Screen(stderr=True, highlight=False, markup=False, emoji=False)
"""Progress and remarks, separate from results."""


def print_json(value: object) -> None:
    """Print a value as one line of JSON."""
    sys.stdout.write(escaped(msgspec.json.encode(value).decode()) + "\n")


@contextmanager
def download_progress() -> Generator[Report]:
    """Show bytes on a terminal; elsewhere a line at the start and the end of each file."""
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
        word = "downloading" if done == 0 else "downloaded"
        ERR.print(f"{word} {name} ({total / 2**20:.0f} MiB)")
