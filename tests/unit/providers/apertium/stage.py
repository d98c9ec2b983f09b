"""A stand-in for the programs of a mode, and the processes of a group."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

STAND_IN = "sed -zu -e '/^die/Q' -e '/^hang/e sleep 60' -e '/^loud/s/.*/\\U&/'"
"""Ends without an answer, takes for ever, answers in capitals, or hands back what came."""


def living(group: int) -> int:
    """Count the processes of a group that are more than a line in the table: orphans are collected late."""
    count = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ends meanwhile
            state, _, its_group = path.read_text().rpartition(") ")[2].split()[:3]
            count += int(its_group) == group and state != "Z"
    return count


async def gone(group: int) -> None:
    """Wait until no process of a group is left."""
    async with asyncio.timeout(10):
        while living(group):
            await asyncio.sleep(0.005)
