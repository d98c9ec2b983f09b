"""Traces and spans: the client call that work belongs to, across tasks, queues and processes.

The context travels as a W3C ``traceparent``. Spans are recorded only inside `recording`; elsewhere they cost almost
nothing. An exporter is another `SpanSink`.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import deque
from collections.abc import Generator, Iterable
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import structlog

from antiphon.clock import Clock, SystemClock

_FORM = re.compile("00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", re.ASCII)
_SAMPLED = "01"


@dataclass(frozen=True, slots=True)
class Trace:
    """One trace."""

    trace_id: str
    """32 hexadecimal digits."""
    flags: str = _SAMPLED
    caller_id: str = ""
    """16 hexadecimal digits: the caller's span; empty if unknown."""
    span_id: str = ""
    """16 hexadecimal digits: our open span; empty if none is recorded."""

    def header(self) -> str:
        """Return the ``traceparent`` for an outgoing call: a child of the open span, else of a new one."""
        return f"00-{self.trace_id}-{self.span_id or _new_span_id()}-{self.flags}"

    @property
    def is_sampled(self) -> bool:
        """False if the caller asked not to record its spans."""
        return bool(int(self.flags, 16) & 1)


_current: ContextVar[Trace | None] = ContextVar("antiphon_trace", default=None)


def _parse(header: str) -> Trace | None:
    """Return the trace of a ``traceparent`` header; None for an invalid one."""
    found = _FORM.fullmatch(header.strip())
    if found is None or not int(found[1], 16) or not int(found[2], 16):
        return None
    return Trace(found[1], found[3], caller_id=found[2])


@contextmanager
def tracing(traceparent: str, **fields: str) -> Generator[None]:
    """Run the block in this trace, or in a new one; its log lines carry ``trace_id`` and fields.

    Tasks started in the block inherit it.
    """
    trace = _parse(traceparent) or _new_trace()
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
    """Return the current trace, if any."""
    return _current.get()


def traceparent() -> str:
    """Return the header for an outgoing call; empty outside of any trace."""
    trace = present()
    return "" if trace is None else trace.header()


def _new_trace() -> Trace:
    return Trace(secrets.token_hex(16))


def _new_span_id() -> str:
    return secrets.token_hex(8)


# -- spans -------------------------------------------------------------------------------------------------------------
Attribute = str | int | float | bool
"""Names, sizes and ids; never user content or personal data."""


@dataclass(slots=True)
class Span:
    """One piece of work of a trace."""

    name: str
    trace_id: str
    """32 hexadecimal digits."""
    span_id: str
    """16 hexadecimal digits."""
    parent_id: str
    """16 hexadecimal digits; empty for the first span of a trace."""
    start_ns: int
    """Nanoseconds since the epoch, UTC."""
    end_ns: int = 0
    """Nanoseconds since the epoch, UTC; 0 while the span is open."""
    attributes: dict[str, Attribute] = field(default_factory=dict[str, Attribute])
    status: Literal["ok", "error", "cancelled"] = "ok"
    error: str = ""
    """Class of the error; its message may repeat what a client sent."""

    def set(self, **attributes: Attribute) -> None:
        """Add attributes."""
        self.attributes.update(attributes)

    def fail(self, error: BaseException) -> None:
        """Record the error that ended the work; an iterator closed early has not failed."""
        self.status = "cancelled" if isinstance(error, asyncio.CancelledError | GeneratorExit) else "error"
        self.error = type(error).__name__


class NoSpan:
    """Null object for a span that is not recorded."""

    __slots__ = ()

    def __enter__(self) -> NoSpan:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def set(self, **attributes: Attribute) -> None:
        """Do nothing."""

    def fail(self, error: BaseException) -> None:
        """Do nothing."""


_NO_SPAN = NoSpan()


class SpanSink(Protocol):
    """Takes the spans that have ended, in the order of their ends: children before their parents."""

    def ended(self, span: Span) -> None:
        """Take a span. It must neither wait nor raise."""
        ...


class MemorySink:
    """Keeps the last spans in memory, for tests and debugging."""

    def __init__(self, most: int = 10_000) -> None:
        self.spans: deque[Span] = deque(maxlen=most)

    def ended(self, span: Span) -> None:
        """Store the span."""
        self.spans.append(span)


class _Recorder:
    """Makes spans for one sink."""

    def __init__(self, sink: SpanSink, clock: Clock) -> None:
        self._sink = sink
        self._clock = clock
        self._epoch_s = clock.wall() - clock.now()
        """Offset of the monotonic clock, so that setting the wall clock gives no span a negative length."""

    @contextmanager
    def open(self, name: str, attributes: dict[str, Attribute], *, is_current: bool) -> Generator[Span]:
        """Record the block as a span; ``is_current`` makes it the parent of the spans inside."""
        trace = _current.get() or _new_trace()
        span = Span(
            name, trace.trace_id, _new_span_id(), trace.span_id or trace.caller_id, self._now_ns(), 0, attributes
        )
        token = _current.set(replace(trace, span_id=span.span_id)) if is_current else None
        try:
            yield span
        except BaseException as error:
            span.fail(error)
            raise
        finally:
            if token is not None:
                _current.reset(token)
            span.end_ns = self._now_ns()
            self._sink.ended(span)

    def _now_ns(self) -> int:
        return int((self._epoch_s + self._clock.now()) * 1e9)


_recorder: _Recorder | None = None


@contextmanager
def recording(sink: SpanSink, clock: Clock | None = None) -> Generator[None]:
    """Send the spans that start in this process during the block to ``sink``."""
    global _recorder  # noqa: PLW0603 - one per process, as in logging: call sites need no reference
    before, _recorder = _recorder, _Recorder(sink, clock or SystemClock())
    try:
        yield
    finally:
        _recorder = before


def span(name: str, **attributes: Attribute) -> AbstractContextManager[Span | NoSpan]:
    """Record the block as a span, parent of the spans inside. Not for a block that yields: see `leaf_span`."""
    return _NO_SPAN if _recorder is None else _opened(_recorder, name, attributes, is_current=True)


def leaf_span(name: str, **attributes: Attribute) -> AbstractContextManager[Span | NoSpan]:
    """Record the block as a span without children; it may stay open while a generator is suspended.

    Between two results of a generator the context is its reader's, in any task.
    """
    return _NO_SPAN if _recorder is None else _opened(_recorder, name, attributes, is_current=False)


def _opened(
    recorder: _Recorder, name: str, attributes: dict[str, Attribute], *, is_current: bool
) -> AbstractContextManager[Span | NoSpan]:
    trace = present()
    if trace is not None and not trace.is_sampled:
        return _NO_SPAN
    return recorder.open(name, attributes, is_current=is_current)
