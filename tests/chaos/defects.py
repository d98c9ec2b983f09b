"""Shows that the checker sees what goes wrong: plants defects in a copy of the package, one at a time.

python -m tests.chaos.defects [NAME…]     exit code 0 when every one is caught
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import antiphon
from tests.chaos.run import Report, chaos

PACKAGE = Path(antiphon.__file__).parent


@dataclass(frozen=True)
class Defect:
    """A line that is wrong."""

    name: str
    file: str
    right: str
    wrong: str
    happens: str
    """What has to happen for somebody to notice."""
    also: tuple[str, str, str] = ("", "", "")
    """File, right and wrong of a second line, where one alone is made good by the other."""


DEFECTS = (
    Defect(
        "a job is acknowledged before it is done",
        "workers/loop.py",
        "        output = _JobOutput(self._bus, job)\n",
        "        output = _JobOutput(self._bus, job)\n        await lease.acknowledge()\n",
        "kill speak",
    ),
    Defect(
        "the work of a dead worker is never taken up",
        "bus/redis/claim.lua",
        "    local entry, id = due(stream, zset)\n",
        "    local entry, id = nil, nil\n",
        "kill speak",
    ),
    Defect(
        "a further attempt says again what was said",
        "workers/loop.py",
        "            self._ahead = 0 if self._attempt.keeps else written\n",
        "            self._ahead = 0\n",
        "kill speak",
    ),
    Defect(
        "an answer whose worker is lost is begun anew",
        "workers/respond.py",
        "if job.attempt > 1 else ()\n",
        "if job.attempt > 99 else ()\n",
        "kill respond",
    ),
    Defect(
        "sentences that the speaker has are written once more",
        "workers/sentences.py",
        "            self._known = await self._bus.begin(self._pipe, self._attempt)\n",
        "            await self._bus.begin(self._pipe, self._attempt)\n",
        "kill respond",
    ),
    Defect(
        "a worker that slept past its lease goes on writing",
        "bus/redis/write.lua",
        "if ARGV[7] ~= '' and tonumber(ARGV[8]) < tonumber(attempt) then",
        "if false then",
        "stop speak",
        also=(
            "workers/loop.py",
            "            except LeaseLost as error:\n                return error\n",
            "            except LeaseLost:\n                continue\n",
        ),
    ),
    Defect(
        "a pipe is cut to its newest entries",
        "bus/redis/write.lua",
        "  redis.call('XADD', KEYS[1], tail .. '-0',",
        "  redis.call('XADD', KEYS[1], 'MAXLEN', 4, tail .. '-0',",
        "kill gateway",
    ),
    Defect(
        "what the client has is sent once more",
        "doors/realtime/event_sender.py",
        "        return number if number > self.known_until else None",
        "        return number",
        "cut clients",
    ),
    Defect(
        "sent events are not saved",
        "doors/realtime/sent_events.py",
        '    return zlib.compress(_encoder.encode(events), 1) if events else b""',
        '    return b""',
        "cut clients",
    ),
    Defect(
        "a session is saved without its place in the pipe",
        "state/redis/save.lua",
        "'position', ARGV[6],",
        "'position', 0,",
        "cut clients",
    ),
    Defect(
        "a connection that is left drops the session's pipe",
        "doors/realtime/session.py",
        "        if self._checkpointer is None:\n            return False\n        code",
        "        if True:\n            return False\n        code",
        "cut clients",
    ),
    Defect(
        "items are not saved",
        "doors/realtime/checkpoint.py",
        "parts.items,",
        "{},",
        "cut clients",
    ),
    Defect(
        "nothing is saved before it is noticed",
        "doors/realtime/checkpoint.py",
        "        elif is_noticeable(effects, given_out):\n",
        "        elif False:\n",
        "kill gateway",
    ),
    Defect(
        "answers under way end when a session is resumed",
        "doors/realtime/resume.py",
        "self._keeps_answers = has_speech and missed is not None",
        "self._keeps_answers = False",
        "kill gateway",
    ),
)


async def try_out(defect: Defect, seconds: float = 6) -> Report:
    """Run the platform with this defect."""
    with tempfile.TemporaryDirectory(prefix="antiphon-defect-") as folder:
        copy = Path(folder) / "antiphon"
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        for name, right, wrong in ((defect.file, defect.right, defect.wrong), defect.also):
            if name:
                text = (copy / name).read_text("utf-8")
                assert text.count(right) == 1, f"{name} has changed: {defect.name}"
                (copy / name).write_text(text.replace(right, wrong), "utf-8")
        return await chaos(seconds=seconds, talkers=6, seed=1, only=frozenset({defect.happens}), package=Path(folder))


def main(names: list[str]) -> int:
    """Try the defects that are named, by default all; returns the exit code."""
    missed = 0
    for defect in DEFECTS:
        if names and not any(name in defect.name for name in names):
            continue
        found = asyncio.run(try_out(defect)).violations
        missed += not found
        print(f"{'caught' if found else 'MISSED'}: {defect.name}: {len(found)} broken promises", flush=True)
        print(f"        {found[0]}" if found else "", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
