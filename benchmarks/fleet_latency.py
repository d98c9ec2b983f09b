"""A1 and A3 through a fleet: what Valkey and a second process add to an answer's way, and to a stop.

Beside each figure the same for one process that does everything, in the same run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from benchmarks import sound, stage
from benchmarks.figures import ROUNDS, Figure, best, tell
from benchmarks.latency import M_MS, MODELS, SHORT_ANSWER, answered
from benchmarks.stop import LONG_ANSWER, Speaker, stops

ALONE = "one process"
SLOTS = {"stt_workers": 20, "llm_workers": 20, "tts_workers": 20}
"""One for each of the sessions."""
STOPPED = {**LONG_ANSWER, "realtime_delta_ms": 200, "llm_workers": 50, "tts_workers": 50}
"""Between processes audio goes in larger pieces."""
SPEAKS_S = 1.5
"""Long enough for an answer to be heard before it is stopped."""


def run(short: bool) -> list[Figure]:
    """Measure manual commits and cancels."""
    return [*_answers(4 if short else 12), *_stops(1 if short else 30)]


def _server(stack: ExitStack, is_fleet: bool, settings: dict[str, object]) -> stage.Child:
    """Start a gateway with its fleet, or one process."""
    if is_fleet:
        return stack.enter_context(stage.fleet(**settings)).gateways[0]
    return stack.enter_context(stage.antiphon(**settings))


def _answers(turns: int) -> list[Figure]:
    waits: dict[bool, list[list[float]]] = {False: [], True: []}
    for _ in range(ROUNDS):
        for is_fleet, rounds in waits.items():
            with ExitStack() as stack:
                server = _server(stack, is_fleet, {"realtime_speculate_ms": 0, **MODELS, **SLOTS, **SHORT_ANSWER})
                rounds.append(asyncio.run(answered(server, [sound.tone()] * 25, turns, M_MS, detects=False)))
    return [
        Figure(
            "A1",
            f"added latency, manual commit, fleet, {name}",
            best(waits[True], share),
            "ms",
            limit,
            best(waits[False], share),
            ALONE,
        )
        for name, share, limit in (("p50", 0.5, 20), ("p99", 0.99, 40))
    ]


def _stops(times: int) -> list[Figure]:
    stopped: dict[bool, list[list[Speaker]]] = {False: [], True: []}
    for _ in range(ROUNDS):
        for is_fleet, rounds in stopped.items():
            with ExitStack() as stack:
                server = _server(stack, is_fleet, dict(STOPPED))
                rounds.append(asyncio.run(stops(server.port, "cancel", times, SPEAKS_S)))

    def both(share: float, times_of: Callable[[Speaker], list[float]]) -> tuple[float, float]:
        """Return a quantile for the fleet, and for one process."""
        ours, alone = (
            best([[wait for speaker in one for wait in times_of(speaker)] for one in stopped[is_fleet]], share)
            for is_fleet in (True, False)
        )
        return ours, alone

    figures: list[Figure] = []
    for name, share, limit in (("p50", 0.5, 2.0), ("p99", 0.99, 20.0)):
        ours, alone = both(share, lambda speaker: speaker.waits)
        figures.append(Figure("A3", f"cancel to the last audio, fleet, {name}", ours, "ms", limit, alone, ALONE))
        ours, alone = both(share, lambda speaker: speaker.ends)
        figures.append(Figure("A3", f"cancel to response.done, fleet, {name}", ours, "ms", None, alone, ALONE))
    ours, alone = ([speaker for one in stopped[is_fleet] for speaker in one] for is_fleet in (True, False))
    cut, cut_alone = (_cut_percent(each) for each in (ours, alone))
    late, late_alone = (float(sum(one.late for one in each)) for each in (ours, alone))
    what = "audio of a response after its response.done, fleet"
    return [
        *figures,
        Figure("", "cancels before which audio had come, fleet", cut, "%", None, cut_alone, ALONE),
        Figure("A3", what, late, "deltas", 0, late_alone, ALONE),
    ]


def _cut_percent(speakers: Sequence[Speaker]) -> float:
    return 100 * sum(one.cut for one in speakers) / sum(len(one.waits) for one in speakers)


if __name__ == "__main__":
    tell(run)
