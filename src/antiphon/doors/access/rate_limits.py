"""Admission of new work: room on the server, and rate limits."""

from __future__ import annotations

from collections.abc import Callable

from antiphon.errors import Overloaded, RateLimited
from antiphon.observe.metrics import Metrics
from antiphon.ports.limiter import Account, Limiter, used_up


def check_room(has_room: Callable[[], bool]) -> None:
    """Refuse new work that would take the room of live sessions. Raises `Overloaded`."""
    if not has_room():
        raise Overloaded("The server takes no new sessions and files at the moment; try again soon.")


def charge_request(limiter: Limiter | None, account: Account, metrics: Metrics) -> None:
    """Count one request of ``account``. Raises `RateLimited` when a limit is used up."""
    if limiter is None:
        return
    reached = used_up(limiter.allowances(account))
    if reached is not None:
        metrics.rate_limited(reached.name)
        raise RateLimited(
            f"The limit of {reached.limit} {reached.name} per minute is reached.", retry_after_s=reached.reset_s
        )
    limiter.charge(account, requests=1)
