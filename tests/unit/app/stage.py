"""The services of a process with stub engines, without anything that runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from antiphon.app.engines import make_engines
from antiphon.app.part import Added
from antiphon.app.roles import all_parts, all_roles
from antiphon.app.services import Services
from antiphon.app.settings import load_settings
from antiphon.app.sharing import shared
from antiphon.clock import VirtualClock
from antiphon.observe.metrics import Metrics
from tests.serving import STUBS


@asynccontextmanager
async def services_of(folder: Path, *, roles: frozenset[str] | None = None, **given: Any) -> AsyncGenerator[Services]:
    """Give the services of a process with these settings, by default one with all roles."""
    settings = load_settings(**{**STUBS, "data_dir": folder, **given})
    clock, metrics = VirtualClock(), Metrics()
    async with shared(settings, clock, metrics) as own:
        yield Services(settings, all_roles() if roles is None else roles, clock, metrics, own, make_engines(settings))


def added_by(part: str, role: str, services: Services) -> Added:
    """Return the contributions of a part in a role."""
    return all_parts()[part].adds[role](services)


async def get(app: Any, path: str) -> tuple[int, bytes]:
    """Ask an ASGI app without a socket; return status and body."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1:8000")],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8000),
    }
    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], body
