"""A scripted engine in a process of its own, and what asks it."""

from __future__ import annotations

import sys
from contextlib import aclosing
from pathlib import Path

from antiphon.providers.hosting.child_process import ChildProcess
from antiphon.providers.hosting.frames import Audio, Say

ROOT = Path(__file__).parents[4]
MODULE = "tests.fakes.child_engine"
COMMAND = [sys.executable, "-P", "-m", MODULE]
ENDLESS = "pieces 100000"
"""A sentence that takes a quarter of an hour."""


def process(*arguments: str, timeout_s: float = 30.0) -> ChildProcess:
    return ChildProcess(
        "scripted", MODULE, needs="msgspec", arguments=arguments, timeout_s=timeout_s, loading_s=60.0
    )  # fmt: skip


async def say(child: ChildProcess, text: str) -> list[bytes]:
    async with aclosing(child.ask(lambda id_: Say(id_, text))) as replies:
        return [reply.pcm async for reply in replies if isinstance(reply, Audio)]


def runs(pid: int) -> bool:
    """Return whether a process runs; a zombie that is not collected yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
