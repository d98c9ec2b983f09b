"""Circuit breakers: who may call an endpoint that keeps failing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a circuit leads to."""

    name: str
    """Kind and engine: ``llm:openai``."""
    is_shared: bool = False
    """True for a service that other processes call too; False for an engine inside this process."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """The permission for one call."""

    endpoint: Endpoint
    generation: int
    """Of the circuit; it tells late outcomes from those that count."""
    is_probe: bool = False
    """True for the one call that tries whether a failing endpoint has recovered."""
    is_shared: bool = False
    """True when all processes hear the outcome; False when this one alone does."""


class Breakers(Protocol):
    """A circuit per endpoint, closed at first.

    Failures in a row open it, and then calls are refused at once. After a time one probe is admitted: its success
    closes the circuit, its failure opens it again. A probe of which nothing is heard loses its place to another; an
    endpoint never has two probes out.
    """

    async def admit(self, endpoint: Endpoint) -> Ticket:
        """Return the permission for one call. Raises `ProviderUnavailable` (``circuit_open``), and nothing else."""
        ...

    async def report(self, ticket: Ticket, ok: bool | None, *, took_s: float = 0.0) -> None:
        """Say once how the call went, and how long its first result took. Never raises.

        A slow call counts as failed. None says nothing of the endpoint: cancelled, or the caller's own mistake.
        Outcomes of calls that began before the circuit last changed are ignored.
        """
        ...
