"""``antiphon bench``: measures this machine and compares each figure with its floor and its target."""

from __future__ import annotations

import importlib
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from antiphon.cli import bench_answers, bench_noise, bench_phrases, bench_switch, bench_translation, bench_wer
from antiphon.cli.screen import ERR, OUT, print_json
from antiphon.errors import InvalidRequest, NotFound

SOURCE = Path(__file__).resolve().parents[3]
_OVER_RECORDINGS = {"noise": bench_noise.run, "switch": bench_switch.run, "wer": bench_wer.run}
_OVER_TEXTS = {"answers": bench_answers.run, "phrases": bench_phrases.run, "translation": bench_translation.run}
_NO_BENCHMARKS = frozenset({"__init__", "echo_server", "figures", "sound", "stage", "ticking_server", "wire"})


def bench(name: str | None = None, *, recordings: Path | None = None, full: bool = False, json: bool = False) -> None:
    """Run benchmarks, with stub engines where no engine is named; without a name, all of them in short form.

    Example: antiphon bench latency --full

    Parameters
    ----------
    name
        Benchmark to run. With real engines: `wer` measures word error rates, `phrases` those of very short
        utterances, `switch` transcription across a change of language, `noise` turns started by noise,
        `answers` the quality of the packaged LLM, `translation` the quality of translation engines.
    recordings
        Directory of recordings: with a recordings.toml for `wer` and `noise`, a switch.toml for `switch`.
    full
        Run longer measurements.
    json
        Print one JSON array instead of tables.
    """
    if name in _OVER_RECORDINGS:
        _OVER_RECORDINGS[name](recordings or SOURCE / "tests" / "audio", json)
        return
    if name in _OVER_TEXTS:
        _OVER_TEXTS[name](json)
        return
    names = _names()
    if name is not None and name not in names:
        known = ", ".join([*names, *sorted(_OVER_RECORDINGS | _OVER_TEXTS)])
        raise NotFound(f"unknown benchmark '{name}'; choose from {known}", param="name")
    figures: list[Any] = []
    for chosen in [name] if name else names:
        ERR.print(f"measuring {chosen} ...")
        figures += importlib.import_module(f"benchmarks.{chosen}").run(not full)
    if json:
        rows = [{**asdict(figure), "met": figure.is_met} for figure in figures]
        print_json(rows)
    else:
        OUT.print(_table(figures))


def _names() -> list[str]:
    """Return the names of the benchmarks in the source checkout; an installed package has none."""
    folder = SOURCE / "benchmarks"
    if not (folder / "stage.py").is_file():
        raise InvalidRequest(
            "the benchmarks come with the source: clone the project and run `make bench` there", param="name"
        )
    sys.path.insert(0, str(SOURCE))
    return sorted(path.stem for path in folder.glob("*.py") if path.stem not in _NO_BENCHMARKS)


def _table(figures: list[Any]) -> Table:
    table = Table("target", "what", "ours", "floor", "at most / at least", "met")
    is_met = {None: "", True: "yes", False: "NO"}
    for figure in figures:
        floor = "" if figure.floor is None else f"{figure.floor:.4g} ({figure.floor_is})"
        limit = "" if figure.limit is None else f"{'>=' if figure.more else '<='} {figure.limit:g}"
        ours = f"{figure.ours:.4g} {figure.unit}"
        table.add_row(figure.target, figure.what, ours, floor, limit, is_met[figure.is_met])
    return table
