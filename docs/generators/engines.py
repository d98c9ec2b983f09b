"""``engines.md``: the engines that a setting may name, and the weights they load."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import Any

from antiphon.app.engines import KINDS
from antiphon.app.settings import Settings
from antiphon.providers.weights.table import packaged_table
from generators.page import code, page, prose, table

ROOT = Path(__file__).resolve().parent.parent.parent
_INTRODUCTION = (
    "`ANTIPHON_<KIND>` names an engine, or several as a failover chain: `ANTIPHON_TTS=kokoro,hibari`. A package of "
    "yours adds an engine through the entry-point group `antiphon.<kind>`; see "
    "[choose engines](../how-to/engines.md)."
)
_WEIGHTS = (
    "`antiphon models pull` brings the default ones, `antiphon models pull NAME` any of them; the first `antiphon "
    "serve` brings what its engines need. Size and sha256 are checked, whatever the source."
)


def render() -> str:
    """Return the page."""
    rows = [
        (code(kind), code(name), _about(target), "yes" if name in _default(kind) else "")
        for kind, names in _entry_points()
        for name, target in names.items()
    ]
    weights = [
        (
            code(model.name),
            code(model.kind),
            model.description,
            f"{model.sources[0].bytes / 2**20:.0f}",
            model.licence,
            model.fallback,
        )
        for model in packaged_table().weights
    ]
    return page(
        "Engines and weights",
        _INTRODUCTION,
        table(("kind", "name", "what", "default"), rows),
        "## Weights",
        _WEIGHTS,
        table(("name", "kind", "what", "MiB", "licence", "without it"), weights),
    )


def _entry_points() -> list[tuple[str, dict[str, str]]]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    groups = ((group.removeprefix("antiphon."), names) for group, names in project["entry-points"].items())
    return [(kind, names) for kind, names in groups if kind in KINDS]


def _default(kind: str) -> tuple[str, ...]:
    field = Settings.model_fields.get(kind)
    return field.default if field is not None else ()


def _about(target: str) -> str:
    """Return the first paragraph of the module's docstring, read without importing the engine."""
    module = target.partition(":")[0]
    path = ROOT / "src" / Path(*module.split(".")).with_suffix(".py")
    if not path.exists():
        return ""
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return prose(docstring.partition("\n\n")[0])
