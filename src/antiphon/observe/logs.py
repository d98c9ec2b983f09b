"""Logs: JSON or console lines with uniform fields, without secrets and user content."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

import structlog

from antiphon.observe.controls import LAYOUT, spelled
from antiphon.observe.redaction import Event, Redact

AREAS: Mapping[str, tuple[str, ...]] = {
    "gateway": (
        "antiphon.doors",
        "antiphon.conversation",
        "antiphon.dubbing",
        "antiphon.translation_session",
        "antiphon.wire",
    ),
    "worker": ("antiphon.workers", "antiphon.jobs"),
    "provider": ("antiphon.providers",),
    "bus": ("antiphon.bus",),
    "redis": ("antiphon.connections",),
    "state": ("antiphon.state",),
    "store": ("antiphon.store",),
    "policy": ("antiphon.policy", "antiphon.resilience"),
    "app": ("antiphon.app", "antiphon.cli", "antiphon.observe"),
    "http": ("uvicorn", "httpx", "httpx2", "httpcore", "httpcore2"),
}
"""Loggers of the areas in ``ANTIPHON_LOG_LEVELS``; any other name there is a logger itself."""

_MULTILINE = frozenset({"exception", "stack"})
"""Fields with text of several lines, produced here."""

_CLIENTS = ("httpx", "httpx2", "httpcore", "httpcore2", "urllib3", "openai", "anthropic", "deepl")
"""Loggers of HTTP clients; the last three log user content at ``debug``."""
_QUIET = ("uvicorn.access", *_CLIENTS, "aiosqlite", "alembic", "asyncio")
"""Loggers with a line per request or statement: at ``warning``, unless configured otherwise."""


def configure(
    *,
    service: str,
    level: str = "info",
    levels: str = "",
    style: str = "auto",
    reveal: bool = False,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Configure all logging of this process, including libraries. Lines go to stderr.

    ``levels`` is ``area=level,…`` as in ``ANTIPHON_LOG_LEVELS``; ``style`` is console, json or auto (console on a
    terminal). ``reveal`` shows the fields that start with ``pii.``; secrets stay hidden, ``secrets`` also by their
    value. Raises `ValueError`.
    """
    stream = stream or sys.stderr
    terminal = stream is not None and stream.isatty()  # pyright: ignore[reportUnnecessaryComparison] - None under pythonw
    json = style == "json" or (style == "auto" and not terminal)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _Stamp(service),
        structlog.processors.format_exc_info,  # plain: rich tracebacks show locals, which hold user content
        Redact(secrets, reveal=reveal),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *(_json() if json else _console(colors=terminal)),
        ],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=_level(level), force=True)
    _set_levels(level, levels)


def _json() -> list[Any]:
    return [structlog.processors.EventRenamer("message"), structlog.processors.JSONRenderer(default=str)]


def _console(*, colors: bool) -> list[Any]:
    return [
        _without_blanks,
        _without_controls,
        structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback),
    ]


def _without_blanks(_logger: Any, _method: str, event: Event) -> Event:
    """Drop empty fields and the service name on a console."""
    return {key: value for key, value in event.items() if value != "" and key != "service"}


def _without_controls(_logger: Any, _method: str, event: Event) -> Event:
    """Escape control characters: client input must not control the terminal."""
    return {_spelled(key): _spelled(value, keeps=LAYOUT if key in _MULTILINE else "") for key, value in event.items()}


def _spelled(value: Any, *, keeps: str = "") -> Any:
    match value:
        case str():
            return spelled(value, keeps=keeps)
        case dict():
            return {_spelled(inner): _spelled(item) for inner, item in value.items()}
        case list():
            return [_spelled(item) for item in value]
        case _:
            return value


def _set_levels(level: str, levels: str) -> None:
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(_level(level), logging.WARNING))
    for area, wish in parse_levels(levels).items():
        for name in AREAS.get(area, (area,)):
            logging.getLogger(name).setLevel(_level(wish))


def parse_levels(levels: str) -> dict[str, str]:
    """Return the level by area of ``gateway=info,worker=debug``. Raises `ValueError`."""
    parts = [part.strip() for part in levels.split(",") if part.strip()]
    pairs = [part.partition("=") for part in parts]
    for area, equals, level in pairs:
        if not (area and equals):
            raise ValueError(f"write levels as area=level, not {area!r}")
        _level(level.strip())
    return {area.strip(): level.strip() for area, _, level in pairs}


def _level(name: str) -> int:
    known = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
    if name.lower() not in known:
        raise ValueError(f"{name!r} is not a log level; choose from {', '.join(known)}")
    return known[name.lower()]


class _Stamp:
    """Adds the common fields to every line."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, _logger: Any, _method: str, event: Event) -> Event:
        event.setdefault("service", self._service)
        for field in ("tenant_id", "session_id", "correlation_id", "trace_id"):
            event.setdefault(field, "")
        return event
