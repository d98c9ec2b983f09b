"""The W3C trace context: which call of a client a piece of work belongs to, across tasks, queues and processes."""

from __future__ import annotations

import re
import secrets
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import structlog

_FORM = re.compile("00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", re.ASCII)
_SAMPLED = "01"


@dataclass(frozen=True, slots=True)
class Trace:
    """One trace."""

    trace_id: str
    """32 hexadecimal digits."""
    flags: str = _SAMPLED

    def header(self) -> str:
        """Return the ``traceparent`` for whoever is asked next, under a span of its own."""
        return f"00-{self.trace_id}-{secrets.token_hex(8)}-{self.flags}"


_current: ContextVar[Trace | None] = ContextVar("antiphon_trace", default=None)


def _parse(header: str) -> Trace | None:
    """Return the trace of a ``traceparent`` header; None for one that breaks the rules, whose trace begins anew."""
    found = _FORM.fullmatch(header.strip())
    if found is None or not int(found[1], 16) or not int(found[2], 16):
        return None
    return Trace(found[1], found[3])


@contextmanager
def tracing(traceparent: str, **fields: str) -> Generator[None]:
    """Let everything in the block belong to this trace, or to a new one; its log lines carry ``trace_id`` and fields.

    Tasks that begin in the block take it along.
    """
    trace = _parse(traceparent) or Trace(secrets.token_hex(16))
    token = _current.set(trace)
    try:
        with structlog.contextvars.bound_contextvars(trace_id=trace.trace_id, **fields):
            yield
    finally:
        _current.reset(token)


def sent_with(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the ``traceparent`` among the headers of an ASGI scope; empty where there is none."""
    return next((value.decode("latin-1") for name, value in headers if name == b"traceparent"), "")


def present() -> Trace | None:
    """Return the trace that runs here; None outside of any."""
    return _current.get()


def traceparent() -> str:
    """Return the header for whoever is asked next; empty outside of any trace."""
    trace = present()
    return "" if trace is None else trace.header()
