"""``antiphon models``: the weights of the packaged engines."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App
from rich.table import Table

from antiphon.app.settings import load_settings
from antiphon.cli.screen import OUT, download_progress, print_json
from antiphon.providers.weights.files import Held, Weights

models = App(
    name="models",
    help="""List, download and verify the weights of the packaged engines.

Example: antiphon models list
""",
)


def _weights(data_dir: Path | None) -> Weights:
    settings = load_settings(**({} if data_dir is None else {"data_dir": data_dir}))
    return Weights(settings.data_dir, offline=settings.offline)


@models.command(name="list")
def list_models(*, data_dir: Path | None = None, json: bool = False) -> None:
    """List all weights and whether they are installed.

    Example: antiphon models list

    Parameters
    ----------
    data_dir
        Directory for weights, database and certificates.
    json
        Print one JSON array instead of a table.
    """
    rows = _weights(data_dir).list()
    if json:
        print_json([_row(held) for held in rows])
        return
    table = Table("name", "kind", "MiB", "here", "default", "licence", "without it")
    for held in rows:
        row = _row(held)
        here, default = ("yes" if row[key] else "no" for key in ("here", "default"))
        table.add_row(
            held.model.name,
            held.model.kind,
            f"{held.model.sources[0].bytes / 2**20:.0f}",
            here,
            default,
            held.model.licence,
            held.model.fallback,
        )
    OUT.print(table)


def _row(held: Held) -> dict[str, object]:
    return {
        "name": held.model.name,
        "kind": held.model.kind,
        "bytes": held.model.sources[0].bytes,
        "here": held.complete,
        "default": held.model.default,
        "licence": held.model.licence,
        "folder": str(held.folder),
    }


@models.command
def pull(*names: str, data_dir: Path | None = None) -> None:
    """Download weights and verify them: the default ones, or those named.

    Example: antiphon models pull whisper-base

    Parameters
    ----------
    names
        Names as `antiphon models list` shows them; default: the default weights.
    data_dir
        Directory for weights, database and certificates.
    """
    weights = _weights(data_dir)
    wanted = names or tuple(held.model.name for held in weights.list() if held.model.default)
    with download_progress() as report:
        for name in wanted:
            weights.pull(name, report)
    for name in wanted:
        OUT.print(f"{name}: {weights.folder(name)}")


@models.command
def verify(*names: str, data_dir: Path | None = None) -> None:
    """Compare the SHA-256 of installed weights with the table; exit code 1 if one differs.

    Example: antiphon models verify

    Parameters
    ----------
    names
        Names as `antiphon models list` shows them; default: all that are installed.
    data_dir
        Directory for weights, database and certificates.
    """
    weights = _weights(data_dir)
    wanted = names or tuple(held.model.name for held in weights.list() if held.complete)
    wrong = [name for name in wanted if not weights.verify(name)]
    for name in wanted:
        OUT.print(f"{name}: {'differs; run `antiphon models pull`' if name in wrong else 'ok'}")
    if wrong:
        raise SystemExit(1)
