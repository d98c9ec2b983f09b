"""Rate limits per account, and what is left of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Account:
    """The unit of limits: a key of a tenant, with all secrets that it has issued."""

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
    """Seconds until the whole limit is available again."""


def used_up(allowances: Sequence[Allowance]) -> Allowance | None:
    """Return the first exhausted limit, or None."""
    return next((allowance for allowance in allowances if allowance.remaining <= 0), None)


class Limiter(Protocol):
    """Counts in a sliding window per account. An empty result means that no limit applies."""

    def allowances(self, account: Account) -> tuple[Allowance, ...]:
        """Return the remaining allowances, without charging."""
        ...

    def charge(self, account: Account, *, requests: int = 0, tokens: int = 0) -> tuple[Allowance, ...]:
        """Count used amounts and return the remaining allowances; negative ones block until they recover."""
        ...
