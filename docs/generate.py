"""Writes the reference pages and contracts from the code: ``make gen``.

python docs/generate.py                          all files of docs/reference, and .env.example
python docs/generate.py events.md openapi.json   these
python docs/generate.py --check                  write nothing, fail when one is out of date
python docs/generate.py --out FOLDER             into another folder
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from generators import asyncapi, bounds, cli, dubbing, engines, errors, events, metrics, openapi, settings

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "asyncapi.json": asyncapi.render,
    "openapi.json": openapi.render,
    "rest.md": openapi.render_page,
    "events.md": events.render,
    "translation-events.md": events.render_translations,
    "dubbing-events.md": dubbing.render,
    "dubbing-schema.json": dubbing.render_schema,
    "errors.md": errors.render,
    "settings.md": settings.render,
    "bounds.md": bounds.render,
    "cli.md": cli.render,
    "metrics.md": metrics.render,
    "engines.md": engines.render,
    ".env.example": settings.render_environment,
}
AT_THE_ROOT = (".env.example",)


def main(arguments: Sequence[str]) -> int:
    """Write, or only compare; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*PAGES, []], metavar="NAME")  # []: none given
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--out", type=Path, default=FOLDER)
    chosen = parser.parse_args(arguments)
    paths = {name: _path(chosen.out, name) for name in chosen.names or PAGES}
    stale = [path for name, path in paths.items() if _update(path, PAGES[name](), only_check=chosen.check)]
    for path in stale:
        result = "is out of date: run `make gen`" if chosen.check else "written"
        sys.stdout.write(f"{path} {result}\n")
    return 1 if stale and chosen.check else 0


def _path(folder: Path, name: str) -> Path:
    return ROOT / name if folder == FOLDER and name in AT_THE_ROOT else folder / name


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
