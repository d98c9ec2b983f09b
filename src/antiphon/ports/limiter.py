"""Rate limits: who may start how much, and how much is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Account:
    """Who pays: a key of a tenant, whatever secrets it has issued."""

    tenant: str
    key_id: str


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of one limit."""

    name: str
    """``requests`` or ``tokens``."""
    limit: int
    remaining: int
    reset_s: float
    """Seconds until the limit is whole again."""


def used_up(allowances: Sequence[Allowance]) -> Allowance | None:
    """Return the first limit of which nothing is left, or None."""
    return next((allowance for allowance in allowances if allowance.remaining <= 0), None)


class Limiter(Protocol):
    """Counts in a sliding window per account. An empty answer means that no limit applies."""

    def allowances(self, account: Account) -> tuple[Allowance, ...]:
        """Say what is left, without charging."""
        ...

    def charge(self, account: Account, *, requests: int = 0, tokens: int = 0) -> tuple[Allowance, ...]:
        """Count what was used and say what is left; may go below zero, which blocks until it has recovered."""
        ...
