"""A server of our own for the clients: on a free port, with a key, on stub engines or on the real ones."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

from antiphon.app.settings import default_data_dir

KEY = "sk-clients-under-test"
STUBS = {
    **{f"ANTIPHON_{kind}": "stub" for kind in ("STT", "LLM", "TTS", "VAD", "END_OF_TURN", "EMBEDDING")},
    "ANTIPHON_STUB_TEXT": "what joy there is in living",
    "ANTIPHON_STUB_LLM_WPS": "5",  # an answer takes 4 s: long enough to be interrupted while it is made
}
READY_S = 60.0
REAL_READY_S = 600.0
"""The first start on real engines fetches the weights."""


class ServerError(Exception):
    """The server did not become ready; says what it logged."""


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    certificate: Path | None


@contextlib.asynccontextmanager
async def serve(scratch: Path, *, tls: bool, real: bool) -> AsyncGenerator[Server]:
    """Run ``antiphon serve`` until the block ends; its log is ``scratch/server.log``."""
    scratch.mkdir(parents=True)
    data_dir = default_data_dir() if real else scratch / "data"
    arguments = ["-m", "antiphon", "serve", "--host", "127.0.0.1", "--port", "0", "--data-dir", str(data_dir)]
    if tls:
        arguments.append("--tls-self-signed")
    kept = ("ANTIPHON_BUS_STRICT",)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ANTIPHON_") or k in kept}
    environment |= {"ANTIPHON_API_KEYS": KEY} | ({} if real else STUBS)
    log = scratch / "server.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env=environment,
        )
    try:
        url = await _ready(process, log, REAL_READY_S if real else READY_S)
        yield Server(url=url, certificate=data_dir / "tls" / "cert.pem" if tls else None)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 35)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _ready(process: asyncio.subprocess.Process, log: Path, within_s: float) -> str:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(within_s):
            while line := (await process.stdout.readline()).decode():
                if line.startswith("antiphon ready "):
                    return line.split()[2]
            ending = f"ended with {await process.wait()} before it was ready"
    except TimeoutError:
        ending = f"was not ready within {within_s:g} s"
    raise ServerError(f"antiphon serve {ending}:\n{log.read_text()[-1500:]}")
