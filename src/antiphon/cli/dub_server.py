"""Starts a server for one run of ``antiphon dub``, with only the engines that dubbing needs."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress

from antiphon import ids
from antiphon.cli.screen import ERR
from antiphon.errors import ProviderUnavailable

START_S = 300.0
"""A slow machine needs minutes to compile and load everything the first time."""
STOP_S = 15.0
_FIXED = {
    "ANTIPHON_LLM": "rules",  # not used
    "ANTIPHON_END_OF_TURN": "silence",
    "ANTIPHON_DUBBING_FRAGMENTS_PER_MIN": "0",  # the only client is this command
    "ANTIPHON_DUBBING_MODE": "full",
}
_DEFAULTS = {"ANTIPHON_LOG_LEVEL": "error"}
_NOT_LIVE = {
    "ANTIPHON_DUBBING_ASR_TIMEOUT_MS": "30000",
    "ANTIPHON_DUBBING_TRANSLATION_TIMEOUT_MS": "30000",
    "ANTIPHON_DUBBING_TTS_TIMEOUT_MS": "30000",
}
"""Longer timeouts where the run is not live."""


@asynccontextmanager
async def own_server(*, live: bool) -> AsyncGenerator[tuple[str, str]]:
    """Run a server on a free local port; yield its address and key.

    It inherits the settings of this process. Raises `ProviderUnavailable` if it does not start.
    """
    key = ids.token()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "antiphon", "serve", "--port", "0"),
        env=environment(os.environ, key, live=live),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None  # noqa: S101 - narrows the type: a pipe was asked for
    try:
        ERR.print("starting a server; use --url for a running one")
        words: list[str] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                words = (await process.stdout.readline()).decode().split()
        if not words:
            raise ProviderUnavailable("the server did not start; run `antiphon doctor`.")
        yield words[-1], key
    finally:
        await stop(process)


def environment(given: Mapping[str, str], key: str, *, live: bool) -> dict[str, str]:
    """Return the environment of the server."""
    relaxed = {} if live else _NOT_LIVE
    return {**_DEFAULTS, **relaxed, **given, **_FIXED, "ANTIPHON_API_KEYS": key}


async def stop(process: Process) -> None:
    """End a process, and kill it if it does not end within `STOP_S`."""
    with suppress(ProcessLookupError):  # it has ended
        process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
