"""What a REST call costs against a limit, where one applies."""

from __future__ import annotations

from antiphon.errors import RateLimited
from antiphon.ports.limiter import Limiter


def charge_request(limiter: Limiter | None, tenant: str) -> None:
    """Count one request of ``tenant``. Raises `RateLimited` when a limit is used up."""
    if limiter is None:
        return
    for allowance in limiter.allowances(tenant):
        if allowance.remaining <= 0:
            raise RateLimited(
                f"The limit of {allowance.limit} {allowance.name} per minute is reached.",
                retry_after_s=allowance.reset_s,
            )
    limiter.charge(tenant, requests=1)
