"""Writes the reference pages and contracts from the code: ``make gen``. ``--check`` fails when one is out of date.

Names of files limit it to these: ``python docs/generate.py events.md asyncapi.json``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from generators import asyncapi, cli, engines, errors, events, metrics, openapi, settings

FOLDER = Path(__file__).resolve().parent / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "asyncapi.json": asyncapi.render,
    "openapi.json": openapi.render,
    "rest.md": openapi.render_page,
    "events.md": events.render,
    "translation-events.md": events.render_translations,
    "errors.md": errors.render,
    "settings.md": settings.render,
    "cli.md": cli.render,
    "metrics.md": metrics.render,
    "engines.md": engines.render,
}


def main(arguments: list[str]) -> int:
    """Write, or only compare; returns the exit code."""
    only_check = "--check" in arguments
    wanted = [name for name in arguments if name in PAGES] or list(PAGES)
    stale = [name for name in wanted if _update(FOLDER / name, PAGES[name](), only_check=only_check)]
    for name in stale:
        sys.stdout.write(f"docs/reference/{name} {'is out of date: run `make gen`' if only_check else 'written'}\n")
    return 1 if stale and only_check else 0


def _update(path: Path, text: str, *, only_check: bool) -> bool:
    """Return whether the file differs from ``text``; bring it up to date unless only asked."""
    if path.exists() and path.read_text("utf-8") == text:
        return False
    if not only_check:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
