"""``antiphon doctor``: checks this machine and prints the fix for anything missing."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import platform
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from antiphon.app.engines import engine_context
from antiphon.app.settings import Settings, load_settings
from antiphon.cli.first_run import needed
from antiphon.cli.ranges import MOST_PORT, check_port
from antiphon.cli.screen import OUT, print_json
from antiphon.errors import AntiphonError
from antiphon.folders import make_private
from antiphon.observe import logs
from antiphon.ports.engine import EngineContext
from antiphon.providers.registry import Kind, load
from antiphon.providers.weights.files import Weights
from antiphon.version import VERSION

KINDS: tuple[Kind, ...] = ("stt", "llm", "tts", "translation", "vad", "end_of_turn", "embedding")
TARGETS = ("es", "pt", "fr", "de", "it", "ca", "nl", "pl", "ru", "tr", "ja", "zh", "ko", "ar", "hi")
"""Target languages to check for dubbing."""
LOCAL = ("av", "faster_whisper", "hibari", "onnxruntime", "xllamacpp")


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    what: str
    ok: bool
    detail: str
    mend: str = ""
    """The command or setting that fixes it; empty if nothing is wrong."""


def doctor(*, data_dir: Path | None = None, port: int = 8000, json: bool = False) -> None:
    """Check this machine and its settings; exit code 1 if `antiphon serve` would not start.

    Example: antiphon doctor --json

    Parameters
    ----------
    data_dir
        Directory for weights, database and certificates.
    port
        Port that `antiphon serve` would listen on.
    json
        Print one JSON object instead of text.
    """
    check_port(port)
    settings = load_settings(**({} if data_dir is None else {"data_dir": data_dir}))
    logs.configure(service="antiphon", level="error")
    findings = [*_machine(settings, port), *_weights(settings), *asyncio.run(_services(settings))]
    healthy = all(finding.ok for finding in findings)
    if json:
        report = {"version": VERSION, "ok": healthy, "findings": [asdict(finding) for finding in findings]}
        print_json(report)
    else:
        for finding in findings:
            OUT.print(f"{'ok  ' if finding.ok else 'FAIL'} {finding.what}: {finding.detail}", soft_wrap=True)
            if finding.mend:
                OUT.print(f"     fix: {finding.mend}", soft_wrap=True)
    if not healthy:
        raise SystemExit(1)


def _machine(settings: Settings, port: int) -> Iterator[Finding]:
    yield Finding(
        "python", sys.version_info >= (3, 11), f"{platform.python_version()} on {platform.platform(terse=True)}"
    )
    yield Finding("cores", True, str(os.cpu_count()))
    missing = [name for name in LOCAL if importlib.util.find_spec(name) is None]
    mend = "pip install 'antiphon[local]'" if missing else ""
    yield Finding(
        "embedded engines", not missing, f"not installed: {', '.join(missing)}" if missing else "installed", mend
    )
    yield _writable(settings.data_dir)
    yield _port(port)


def _writable(folder: Path) -> Finding:
    try:
        make_private(folder)
        probe = folder / f".doctor-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        return Finding("data directory", False, f"{folder}: {error.strerror}", "set ANTIPHON_DATA_DIR")
    return Finding("data directory", True, str(folder))


def _port(port: int) -> Finding:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            mend = f"antiphon serve --port {port + 1 if port < MOST_PORT else 0}"
            return Finding("port", False, f"127.0.0.1:{port}: {error.strerror}", mend)
    return Finding("port", True, f"127.0.0.1:{port} is free")


def _weights(settings: Settings) -> Iterator[Finding]:
    wanted = needed(settings)
    for held in Weights(settings.data_dir, offline=True).list():
        if held.model.name in wanted:
            detail = str(held.folder) if held.complete else f"not in {held.folder.parent}"
            mend = "" if held.complete else f"antiphon models pull {held.model.name}"
            yield Finding(f"weights {held.model.name}", held.complete or bool(held.model.fallback), detail, mend)


async def _services(settings: Settings) -> list[Finding]:
    return [*await _engines(settings), *await _redis(settings)]


async def _redis(settings: Settings) -> list[Finding]:
    """Check that Redis answers, if one is configured, and how it behaves when its memory is full."""
    if not settings.redis_url:
        return []
    try:
        from antiphon.connections.redis import opened
        from antiphon.connections.redis_memory import ask, flaws
    except ModuleNotFoundError:
        return [Finding("redis", False, "the client is not installed", "pip install 'antiphon[fleet]'")]
    try:
        async with opened(settings.redis_url.get_secret_value(), timeout_s=settings.redis_timeout_s) as connection:
            await connection.command("PING")
            masters = await ask(connection)
    except AntiphonError as error:
        return [Finding("redis", False, str(error), "start Redis, or set ANTIPHON_REDIS_URL")]
    found = [Finding("redis memory", True, flaw.says, flaw.mend) for flaw in flaws(masters)]
    if not masters:
        mend = "permit the INFO command for the user of ANTIPHON_REDIS_URL"
        found = [Finding("redis memory", True, "unknown: INFO is not permitted", mend)]
    return [Finding("redis", True, "answers"), *found]


async def _engines(settings: Settings) -> list[Finding]:
    context = engine_context(settings)
    found = [await _engine(kind, getattr(settings, kind), context) for kind in KINDS]
    return [*found, await _dubbing(settings.translation, context)]


async def _dubbing(names: tuple[str, ...], context: EngineContext) -> Finding:
    """Report the languages that English can be translated into."""
    what = "dubbing from English"
    try:
        engine = load("translation", names, context)
        await engine.start()
    except AntiphonError as error:
        return Finding(what, True, f"unavailable: {error}")
    targets = [language for language in TARGETS if engine.has_pair("en", language)]
    await engine.close()
    lacks_apertium = "apertium" in names and shutil.which("apertium") is None
    mend = "apt install apertium apertium-eng-spa" if lacks_apertium else ""
    return Finding(what, True, f"into {', '.join(targets)}" if targets else "no languages", mend)


async def _engine(kind: Kind, names: tuple[str, ...], context: EngineContext) -> Finding:
    """Start the engines of a kind, then stop them."""
    what = f"engine {kind} ({', '.join(names)})"
    begin = time.monotonic()
    try:
        engine = load(kind, names, context)
        await engine.start()
    except AntiphonError as error:
        return Finding(what, False, str(error), f"choose another with ANTIPHON_{kind.upper()}")
    name = engine.capabilities.name
    await engine.close()
    return Finding(what, True, f"{name} started in {time.monotonic() - begin:.1f} s")
