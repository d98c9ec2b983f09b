"""``antiphon serve``: everything in one process, or the gateway of a fleet."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import structlog
from cyclopts import Parameter

from antiphon.app.memory import keep_start_apart, return_large_buffers
from antiphon.app.process import process
from antiphon.app.roles import Roles, engine_kinds, parse_roles
from antiphon.app.settings import (
    Settings,
    former_names,
    load_settings,
    others_may_read,
    secrets_of,
    variable_of,
    weakened,
)
from antiphon.app.variables import unknown_variables
from antiphon.cli.first_run import pull_missing
from antiphon.cli.ranges import check_port
from antiphon.doors.access.authentication import is_loopback, refuse_open_exposure
from antiphon.doors.server.app import HttpServer, ServerOptions, stop_on_signals
from antiphon.doors.server.tls import TlsFiles, self_signed
from antiphon.errors import InvalidRequest
from antiphon.folders import make_private
from antiphon.observe import logs
from antiphon.observe.controls import spelled

READY = "antiphon ready {url}"

_KEY, _ADDRESSES = "_api_key", ("_base_url", "_server_url")
"""Suffixes of setting names: keys, and the addresses they are sent to."""

_log = structlog.get_logger(__name__)


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    data_dir: Path | None = None,
    roles: str = "all",
    offline: Annotated[bool | None, Parameter(negative="")] = None,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    tls_self_signed: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Serve the realtime protocol, the speech API and all other endpoints on one port.

    Example: antiphon serve --port 8000

    Parameters
    ----------
    host
        Address to listen on; other than loopback it requires ANTIPHON_API_KEYS.
    port
        Port to listen on; 0 picks a free one.
    data_dir
        Directory for weights, database and certificates.
    roles
        Roles of this process, comma-separated: all, or gateway and kinds of work, such as transcribe. Anything
        but all requires ANTIPHON_REDIS_URL, shared with the other processes.
    offline
        Download nothing; missing weights are an error.
    tls_cert
        Certificate in PEM format; enables https and wss.
    tls_key
        Private key of the certificate.
    tls_self_signed
        Generate a certificate for this machine in the data directory and use it.
    """
    check_port(port)
    chosen = parse_roles(roles.split(","))
    settings = prepare(host, chosen, data_dir, offline)
    tls = _tls(settings, tls_cert, tls_key, make=tls_self_signed)
    run_process(settings, chosen, host, port, tls)


def prepare(host: str, roles: Roles, data_dir: Path | None, offline: bool | None) -> Settings:
    """Load the settings, set up logs and data directory, and download missing weights. Raises `InvalidRequest`."""
    given: dict[str, Any] = {"data_dir": data_dir, "offline": offline}
    settings = load_settings(**{name: value for name, value in given.items() if value is not None})
    logs.configure(
        service="antiphon",
        level=settings.log_level,
        levels=settings.log_levels,
        style=settings.log_format,
        secrets=secrets_of(settings),
    )
    _warn(weakened(settings))
    warn_of_unknown_variables()
    warn_of_former_names()
    refuse_open_exposure(host, is_open=not settings.api_keys)
    _make_data_dir(settings.data_dir)
    pull_missing(settings, engine_kinds(roles))
    return settings


def warn_of_unknown_variables() -> None:
    """Print a line on stderr for each environment variable that looks like a setting but is unknown."""
    for name, nearest in unknown_variables(os.environ):
        hint = f"did you mean {nearest}?" if nearest else "no setting has a similar name"
        print(f"antiphon: {spelled(name)} is not a setting and is ignored: {hint}", file=sys.stderr)


def warn_of_former_names() -> None:
    """Print a line on stderr for each setting that is given under a former name."""
    for name, present in former_names():
        print(f"antiphon: {name} is deprecated and will be removed in the next release: use {present}", file=sys.stderr)


def run_process(settings: Settings, roles: Roles, host: str, port: int, tls: TlsFiles | None = None) -> None:
    """Run these roles until a stop signal arrives."""
    _warn(_exposed(settings, host, tls))
    return_large_buffers()
    _runner()(_serve(settings, roles, host, port, tls))


def _warn(weaknesses: Iterable[tuple[str, str]]) -> None:
    for name, effect in weaknesses:
        _log.warning("setting weakens security", name=name, effect=effect)


def _exposed(settings: Settings, host: str, tls: TlsFiles | None) -> Iterator[tuple[str, str]]:
    """Yield each option that exposes keys or speech to others, with a sentence about its effect."""
    for address, url in _services_with_keys(dict(settings)):
        parts = urlsplit(url)
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            yield variable_of(address), f"sends a key and user content unencrypted to {parts.hostname}"
    if tls is None and not is_loopback(host):
        yield (
            "--host",
            f"accepts keys and speech unencrypted at {host}: use TLS here, or a proxy that terminates it",
        )
    if tls is not None and others_may_read(tls.key):
        yield "--tls-key", f"may be read by other users: chmod 600 {tls.key}"


def _services_with_keys(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the configurable addresses that a key is sent to, each with the name of its setting."""
    for name in values:
        if name.endswith(_KEY) and values[name]:
            addresses = (name.removesuffix(_KEY) + ending for ending in _ADDRESSES)
            yield from ((address, str(values[address])) for address in addresses if address in values)


def _make_data_dir(folder: Path) -> None:
    """Create the data directory for this user alone: it holds keys and user content."""
    try:
        make_private(folder)
        if folder.stat().st_mode & stat.S_IRWXO:
            _log.warning("data directory is accessible to other users", folder=str(folder))
    except OSError as error:
        raise InvalidRequest(f"The data directory cannot be created ({error}): choose one with --data-dir.") from error


def _tls(settings: Settings, cert: Path | None, key: Path | None, *, make: bool) -> TlsFiles | None:
    if make:
        return self_signed(settings.data_dir, time.time())
    if (cert is None) != (key is None):
        raise InvalidRequest(
            "--tls-cert and --tls-key must be given together.", param="tls_key" if cert else "tls_cert"
        )
    return TlsFiles(cert, key) if cert and key else None


def _runner() -> Any:
    """Return ``run`` of the fastest event loop available."""
    if sys.platform == "win32":
        return asyncio.run
    import uvloop

    return uvloop.run


async def _serve(settings: Settings, roles: Roles, host: str, port: int, tls: TlsFiles | None) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    async with process(settings, roles=roles) as running:
        options = ServerOptions(
            host=host,
            port=port,
            tls=tls,
            handshake_timeout_s=settings.handshake_timeout_s,
            max_handshakes=settings.max_handshakes,
            max_undecoded_bytes=settings.max_undecoded_bytes,
        )
        server = HttpServer(running.app, options)
        await server.serve(
            stop=stop, ready=lambda url: _announce(url, running.services.access.is_open), drain=running.drain
        )


def _announce(url: str, is_open: bool) -> None:
    if is_open:
        print("no authentication: ANTIPHON_API_KEYS is not set; reachable from this machine only", file=sys.stderr)
    keep_start_apart()
    print(READY.format(url=url), flush=True)
