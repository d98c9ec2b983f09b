"""What a benchmark says: one figure beside its floor and its target."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

ROUNDS = 3
"""Everything timed is the best of so many rounds: a busy machine only ever makes things slower."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number."""

    target: str
    """The target's number, as in A1; empty for a remark."""
    what: str
    ours: float
    unit: str
    limit: float | None = None
    """The most that is good, or the least where ``more`` is better; None is told without a result."""
    floor: float | None = None
    """The same work done by the floor, in the same run."""
    floor_is: str = ""
    more: bool = False

    @property
    def is_met(self) -> bool | None:
        """Whether the target is reached; None where there is none."""
        if self.limit is None:
            return None
        return self.ours >= self.limit if self.more else self.ours <= self.limit


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` of all lie; nearest rank, no interpolation."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def best(rounds: Sequence[Sequence[float]], share: float) -> float:
    """Return the smallest quantile of several rounds."""
    return min(quantile(values, share) for values in rounds)


Benchmark = Callable[[bool], list[Figure]]
"""Runs one benchmark, in short form where True."""


def tell(run: Benchmark) -> None:
    """Run a benchmark by itself, in short form unless ``--full`` is said, and print a line for each figure."""
    for figure in run("--full" not in sys.argv):
        floor = "" if figure.floor is None else f"; beside it {figure.floor:.4g} ({figure.floor_is})"
        limit = "" if figure.limit is None else f" ({'>=' if figure.more else '<='} {figure.limit:g})"
        print(f"{figure.target:4}{figure.what}: {figure.ours:.4g} {figure.unit}{limit}{floor}")
