"""What the commands print with: plain when piped, coloured on a terminal."""

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
    """A console that nothing in the words of others steers."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Generator[Segment]:
        """Yield what is printed; the terminal's own controls are no text."""
        for segment in super().render(renderable, options):
            is_text = segment.control is None
            yield Segment(spelled(segment.text, keeps=LAYOUT), segment.style) if is_text else segment


# brackets and colons in words of others are no markup
OUT = Screen(highlight=False, markup=False, emoji=False)
"""Results."""
ERR = Screen(stderr=True, highlight=False, markup=False, emoji=False)
"""Progress and remarks: never mixed into results."""


def print_json(value: object) -> None:
    """Print a value as one line of JSON."""
    sys.stdout.write(escaped(msgspec.json.encode(value).decode()) + "\n")


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
