"""A2: the whole wait for an answer when it is prepared in the first silence, beside the sum that others wait."""

from __future__ import annotations

import asyncio

from benchmarks import sound, stage
from benchmarks.figures import ROUNDS, Figure, best
from benchmarks.latency import H_MS, MANY, SHORT_ANSWER, answered

MODELS = {"stub_stt_ms": 100, "stub_llm_ms": 250, "stub_tts_ms": 100}
SPECULATE_MS = 32
"""As early as can be: one window of the detector. The default waits longer, for calls to models may cost money."""
M_MS = sum(MODELS.values())


def run(short: bool) -> list[Figure]:
    """Measure with 20 sessions and the stub detector."""
    rounds: list[list[float]] = []
    for _ in range(ROUNDS):
        with stage.antiphon(realtime_speculate_ms=SPECULATE_MS, **MODELS, **MANY, **SHORT_ANSWER) as server:
            beyond = asyncio.run(answered(server, [sound.tone()] * 25, 3 if short else 12, M_MS, detects=True))
            rounds.append([wait + H_MS + M_MS for wait in beyond])
    what = f"voice to voice with speculation, H {H_MS} ms, M {M_MS} ms, p50"
    return [Figure("A2", what, best(rounds, 0.5), "ms", 540, float(H_MS + M_MS), "H + M one after the other")]
