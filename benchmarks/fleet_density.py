"""A7 for a gateway whose workers are elsewhere: the CPU of one second of a session that speaks and listens.

Beside it one process that does everything, in the same run. The sessions of a core are the quotient: it tells what the
CPU carries, not where answers begin to come late (`density`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import redis

from benchmarks import sound, stage, wire
from benchmarks.cpu import LONG_ANSWER, SESSIONS, speaking
from benchmarks.figures import ROUNDS, Figure, tell

SETTINGS = {**LONG_ANSWER, "realtime_delta_ms": 200, "llm_workers": SESSIONS, "tts_workers": SESSIONS}
"""Speech that is made as fast as it is heard; between processes it goes in larger pieces."""
ALONE = "one process"
Clock = Callable[[], float]
"""CPU seconds of a process so far."""


def run(short: bool) -> list[Figure]:
    """Measure with the stub detector, and with Silero where it is."""
    seconds, rounds = (4.0, 1) if short else (15.0, ROUNDS)
    figures: list[Figure] = []
    for vad in ("stub", "silero") if stage.has_weights("silero-vad") else ("stub",):
        fleets = [_fleet(seconds, vad) for _ in range(rounds)]
        alone = min(_alone(seconds, vad) for _ in range(rounds))
        gateway, worker, valkey = (min(one[at] for one in fleets) for at in range(3))
        each = f"CPU of a session's second, {vad} VAD"
        figures += [
            Figure("", f"{each}, gateway", 1000 * gateway, "ms", None, 1000 * alone, ALONE),
            Figure("", f"{each}, worker", 1000 * worker, "ms"),
            Figure("", f"{each}, Valkey", 1000 * valkey, "ms"),
            Figure(
                "A7",
                f"sessions that a core's CPU carries in a gateway, {vad} VAD",
                1 / gateway,
                "sessions",
                100,
                1 / alone,
                ALONE,
                more=True,
            ),
        ]
    return figures


def _alone(seconds: float, vad: str) -> float:
    with stage.antiphon(vad=vad, **SETTINGS) as server:
        (spent,) = asyncio.run(_spent(server.port, seconds, [server.cpu_s]))
    return spent


def _fleet(seconds: float, vad: str) -> list[float]:
    with stage.fleet(vad=vad, **SETTINGS) as fleet, redis.Redis.from_url(fleet.redis_url) as client:

        def valkey_s() -> float:
            told: dict[str, float] = client.info("cpu")  # pyright: ignore[reportAssignmentType] -- redis-py says that an answer may be awaitable
            return told["used_cpu_user"] + told["used_cpu_sys"]

        (gateway,) = fleet.gateways
        return asyncio.run(_spent(gateway.port, seconds, [gateway.cpu_s, fleet.worker.cpu_s, valkey_s]))


async def _spent(port: int, seconds: float, clocks: Sequence[Clock]) -> list[float]:
    """Return the CPU seconds of one second of one session, for each of the processes."""
    spoken = 0

    def on_text(text: bytes) -> None:
        nonlocal spoken
        spoken += text.startswith(wire.DELTA)

    sockets = await speaking(port, on_text, detects=True)
    said = wire.append(sound.tone())
    before, spoken_before = [clock() for clock in clocks], spoken
    await wire.paced(lambda slot: sockets[slot].send(said), seconds, slots=len(sockets))
    spent = [clock() - first for clock, first in zip(clocks, before, strict=True)]
    heard_s = (spoken - spoken_before) * SETTINGS["realtime_delta_ms"] / 1000
    assert heard_s > 0.8 * seconds * SESSIONS, "the sessions do not speak all the time"
    for socket in sockets:
        socket.close()
    return [one / seconds / SESSIONS for one in spent]


if __name__ == "__main__":
    tell(run)
