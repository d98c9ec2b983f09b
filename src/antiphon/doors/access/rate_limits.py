"""Whether there is room for a call, and what it costs against a limit, where one applies."""

from __future__ import annotations

from collections.abc import Callable

from antiphon.errors import Overloaded, RateLimited
from antiphon.ports.limiter import Account, Limiter


def check_room(has_room: Callable[[], bool]) -> None:
    """Refuse what is new while it would take the room that sessions need which live. Raises `Overloaded`."""
    if not has_room():
        raise Overloaded("The server takes no new sessions and files at the moment; try again soon.")


def charge_request(limiter: Limiter | None, account: Account) -> None:
    """Count one request of ``account``. Raises `RateLimited` when a limit is used up."""
    if limiter is None:
        return
    for allowance in limiter.allowances(account):
        if allowance.remaining <= 0:
            raise RateLimited(
                f"The limit of {allowance.limit} {allowance.name} per minute is reached.",
                retry_after_s=allowance.reset_s,
            )
    limiter.charge(account, requests=1)
