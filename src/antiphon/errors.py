"""The errors that cross a port, a process or the wire.

    AntiphonError
    ├── Transient            a retry may help
    │   ├── ProviderBusy         the engine or its service is at its limit
    │   ├── ProviderTimeout      no answer within the deadline
    │   ├── ProviderUnavailable  not reachable, crashed, not loaded
    │   ├── Overloaded           a limit of the server itself is reached
    │   └── RateLimited          too many calls; carries ``retry_after_s``
    └── Permanent            a retry of the same thing fails again
        ├── InvalidRequest       the caller's input is wrong; carries ``param`` and ``code``
        ├── Unauthenticated      no key, or a wrong one
        ├── Forbidden            the key, or the page, may not do this
        ├── NotFound             the named object does not exist
        ├── Unsupported          this engine cannot do that at all
        ├── ProviderRejected     the service refuses (key, quota, content)
        ├── Fenced               a newer owner has taken over
        ├── LeaseLost            the job went to another worker
        └── WeightsMissing       model files are missing; names the command that downloads them

Retry, breaker and failover look at the type, never at the message.
"""

from __future__ import annotations

from collections.abc import Iterator


class AntiphonError(Exception):
    """The root; never raised itself."""

    type: str = "api_error"
    """The error type on the wire: REST, WebSocket and Socket.IO alike."""
    status: int = 500
    """The HTTP status when this error answers a REST call."""
    default_code: str | None = None

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None, detail: str = "") -> None:
        """``message`` is for the client; ``detail``, for logs only, follows it in ``str(error)``.

        A service's detail may repeat user content: logs have it under ``pii.``.
        """
        super().__init__(f"{message}: {detail}" if detail else message)
        self.message = message
        self.detail = detail
        self.code = code or self.default_code
        self.param = param


class Transient(AntiphonError):
    """A retry may help."""

    status = 503


class ProviderBusy(Transient):
    """The engine or its service is at its limit."""

    type = "overloaded_error"
    default_code = "provider_busy"


class ProviderTimeout(Transient):
    """No answer within the deadline."""

    type = "timeout_error"
    status = 504
    default_code = "provider_timeout"


class ProviderUnavailable(Transient):
    """The engine is not reachable, has crashed or is not loaded."""

    default_code = "provider_unavailable"


class RateLimited(Transient):
    """Too many calls; retry after ``retry_after_s``."""

    type = "rate_limit_error"
    status = 429
    default_code = "rate_limit_exceeded"

    def __init__(self, message: str, *, retry_after_s: float = 1.0, code: str | None = None, detail: str = "") -> None:
        super().__init__(message, code=code, detail=detail)
        self.retry_after_s = retry_after_s


class Permanent(AntiphonError):
    """A retry of the same thing fails again."""


class InvalidRequest(Permanent):
    """The caller's input is wrong; ``param`` names the field."""

    type = "invalid_request_error"
    status = 400
    default_code = "invalid_value"


class Unauthenticated(Permanent):
    """No key, or a wrong one."""

    type = "authentication_error"
    status = 401
    default_code = "invalid_api_key"


class Forbidden(Permanent):
    """The key, or the page that calls, may not do this."""

    type = "permission_error"
    status = 403
    default_code = "forbidden"


class NotFound(Permanent):
    """The named object does not exist."""

    type = "not_found_error"
    status = 404
    default_code = "not_found"


class Unsupported(Permanent):
    """This engine cannot do that at all."""

    type = "invalid_request_error"
    status = 400
    default_code = "unsupported"


class ProviderRejected(Permanent):
    """The service behind an engine refuses: its key, its quota, its content rules."""

    status = 502
    default_code = "provider_rejected"


class WeightsMissing(Permanent):
    """Model files are missing; the message names the command that downloads them."""

    status = 503
    default_code = "weights_missing"


class Fenced(Permanent):
    """A newer owner has taken over; writes of this one are rejected."""

    status = 409
    default_code = "fenced"


class Superseded(Fenced):
    """A later attempt of the same job is running; writes of this one are rejected."""


class LeaseLost(Permanent):
    """The lease ran out and the job went to another worker."""

    status = 409
    default_code = "lease_lost"


class Overloaded(Transient):
    """A limit of the server itself is reached: connections, memory, queue."""

    type = "overloaded_error"
    default_code = "server_overloaded"


def family(kind: type[AntiphonError]) -> Iterator[type[AntiphonError]]:
    """Yield an error class and all its subclasses, siblings by name."""
    yield kind
    for child in sorted(kind.__subclasses__(), key=lambda one: one.__name__):
        yield from family(child)
