"""Circuit breakers: which calls to a failing endpoint are admitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The target of a circuit."""

    name: str
    """Kind and engine: ``llm:openai``."""
    is_shared: bool = False
    """True for a service that other processes call too; False for an engine inside this process."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """The permission for one call."""

    endpoint: Endpoint
    generation: int
    """Generation of the circuit; outcomes of older generations are ignored."""
    is_probe: bool = False
    """True for the one call that tries whether a failing endpoint has recovered."""
    is_shared: bool = False
    """True when the outcome goes to all processes; False when it stays in this one."""


class Breakers(Protocol):
    """A circuit per endpoint, closed at first.

    Failures in a row open it, and then calls are refused at once. After a time one probe is admitted: its success
    closes the circuit, its failure opens it again. A probe without an outcome in time is replaced by another; an
    endpoint never has two active probes.
    """

    async def admit(self, endpoint: Endpoint) -> Ticket:
        """Return the permission for one call. Raises `ProviderUnavailable` (``circuit_open``), and nothing else."""
        ...

    async def report(self, ticket: Ticket, ok: bool | None, *, took_s: float = 0.0) -> None:
        """Report once the outcome of the call, and the time to its first result. Never raises.

        A slow call counts as failed. None does not count: cancelled, or the caller's own mistake.
        Outcomes of calls that began before the circuit last changed are ignored.
        """
        ...
