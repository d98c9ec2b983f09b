"""Talk to a fleet whose members are killed, and check what every client has seen.

python -m tests.chaos.run [--seconds 60] [--turns 0] [--talkers 8] [--seed 1] [--only "kill speak,kill redis"]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from antiphon.client import Session
from tests.chaos.history import History, Whole, violations
from tests.chaos.nemesis import LEASE_S, Nemesis
from tests.chaos.talkers import talk
from tests.fleet import fleet

WORDS, WORD_MS = 30, 100
SENTENCE = "This is the stub and it has no more to say."
WHOLE = Whole(" ".join(itertools.islice(itertools.cycle(SENTENCE.split()), WORDS)), WORDS * WORD_MS * 48)
FLEET = {
    "stub_llm_words": WORDS,
    "stub_llm_wps": 20,
    "stub_tts_ms_per_word": WORD_MS,
    "llm_workers": 16,
    "tts_workers": 16,
    "bus_lease_s": LEASE_S,
    "bus_attempts": 10,
    "resume_window_s": 30,
    "redis timeout s": 5,
    "log_level": "error",
}
"""Answers that take their time, and more attempts than anybody could be killed."""


@dataclass
class Report:
    """What came of it."""

    histories: list[History]
    log: list[str]
    interrupted: Counter[str]
    """Jobs whose worker was killed over them, by role."""
    seconds: float

    @property
    def violations(self) -> list[str]:
        """All broken promises."""
        return [complaint for history in self.histories for complaint in violations(history, WHOLE)]

    def lines(self) -> list[str]:
        """Return it for people."""
        turns = [turn for history in self.histories for turn in history.turns]
        statuses = Counter(event["response"]["status"] for turn in turns for event in turn.of("response.done"))
        happened = ", ".join(f"{name} {count}" for name, count in Counter(self.log).items())
        back = sum(history.resumptions for history in self.histories)
        return [
            f"{len(self.histories)} clients, {len(turns)} turns in {self.seconds:.0f} s, sessions taken up: {back}",
            f"happened: {happened}",
            f"jobs whose worker was killed: {', '.join(f'{role} {count}' for role, count in self.interrupted.items())}",
            f"answers: {', '.join(f'{status} {count}' for status, count in statuses.items())}",
            f"broken promises: {len(self.violations)}",
            *self.violations[:20],
        ]


async def chaos(
    *,
    seconds: float,
    talkers: int,
    seed: int,
    turns: int = 0,
    only: frozenset[str] = frozenset(),
    package: Path | None = None,
) -> Report:
    """Run it once, for so long and until so many turns have ended.

    ``package`` is a folder whose ``antiphon`` the members run instead of this one.
    """
    begin = time.monotonic()
    with fleet(package, **FLEET) as made:
        nemesis = Nemesis(made, seed)
        urls = await nemesis.ready()
        stop = asyncio.Event()
        sockets: dict[str, Session] = {}
        histories = [History(f"client {number}") for number in range(talkers)]
        talks = [
            asyncio.create_task(talk(history, urls[number % 2 :] + urls[: number % 2], stop, sockets))
            for number, history in enumerate(histories)
        ]
        await asyncio.sleep(1)
        until = time.monotonic() + seconds

        def is_over() -> bool:
            """Clients that are in trouble end no further turn."""
            ended = sum(turn.done for history in histories for turn in history.turns)
            return time.monotonic() >= until and (ended >= turns or any(history.trouble for history in histories))

        await nemesis.run(sockets, is_over, only)
        stop.set()
        await asyncio.gather(*talks)
    return Report(histories, nemesis.log, nemesis.interrupted, time.monotonic() - begin)


def main() -> int:
    """Run what the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--turns", type=int, default=0)
    parser.add_argument("--talkers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    only = frozenset(name.strip() for name in asked.only.split(",") if name.strip())
    wish = {"seconds": asked.seconds, "talkers": asked.talkers, "seed": asked.seed, "turns": asked.turns}
    report = asyncio.run(chaos(**wish, only=only))
    print("\n".join(report.lines()))
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
