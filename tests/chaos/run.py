"""Talk to a fleet whose members are killed, and check what every client has seen.

python -m tests.chaos.run [--seconds 60] [--talkers 8] [--seed 1] [--only "kill speak,kill redis"]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from antiphon.client import Session
from tests.chaos.history import History, violations
from tests.chaos.nemesis import LEASE_S, Nemesis
from tests.chaos.talkers import talk
from tests.fleet import fleet

WORDS, WORD_MS = 30, 100
SPEECH_BYTES = WORDS * WORD_MS * 48
FLEET = {
    "stub_llm_words": WORDS,
    "stub_llm_wps": 20,
    "stub_tts_ms_per_word": WORD_MS,
    "llm_workers": 16,
    "tts_workers": 16,
    "bus_lease_s": LEASE_S,
    "bus_attempts": 10,
    "resume_window_s": 30,
    "redis_patience_s": 5,
    "log_level": "error",
}
"""Answers that take their time, and more attempts than anybody could be killed."""


@dataclass
class Report:
    """What came of it."""

    histories: list[History]
    log: list[str]
    seconds: float

    @property
    def violations(self) -> list[str]:
        """All broken promises."""
        return [complaint for history in self.histories for complaint in violations(history, SPEECH_BYTES)]

    def lines(self) -> list[str]:
        """Return it for people."""
        turns = [turn for history in self.histories for turn in history.turns]
        statuses = Counter(event["response"]["status"] for turn in turns for event in turn.of("response.done"))
        happened = ", ".join(f"{name} {count}" for name, count in Counter(self.log).items())
        back = sum(history.resumptions for history in self.histories)
        return [
            f"{len(self.histories)} clients, {len(turns)} turns in {self.seconds:.0f} s, sessions taken up: {back}",
            f"happened: {happened}",
            f"answers: {', '.join(f'{status} {count}' for status, count in statuses.items())}",
            f"broken promises: {len(self.violations)}",
            *self.violations[:20],
        ]


async def chaos(
    *, seconds: float, talkers: int, seed: int, only: frozenset[str] = frozenset(), package: Path | None = None
) -> Report:
    """Run it once; ``package`` is a folder whose ``antiphon`` the members run instead of this one."""
    begin = time.monotonic()
    with fleet(package, **FLEET) as made:
        nemesis = Nemesis(made, seed)
        urls = await nemesis.ready()
        stop = asyncio.Event()
        sockets: dict[str, Session] = {}
        talks = [
            asyncio.create_task(talk(f"client {number}", urls[number % 2 :] + urls[: number % 2], stop, sockets))
            for number in range(talkers)
        ]
        await asyncio.sleep(1)
        await nemesis.run(sockets, seconds, only)
        stop.set()
        histories = await asyncio.gather(*talks)
    return Report(histories, nemesis.log, time.monotonic() - begin)


def main() -> int:
    """Run what the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--talkers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    only = frozenset(name.strip() for name in asked.only.split(",") if name.strip())
    report = asyncio.run(chaos(seconds=asked.seconds, talkers=asked.talkers, seed=asked.seed, only=only))
    print("\n".join(report.lines()))
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
