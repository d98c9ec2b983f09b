"""The stub judges the end of a turn by the loudness of its last 100 ms."""

from __future__ import annotations

from pathlib import Path

from antiphon.entities.speech import Pcm
from antiphon.ports.engine import EngineContext
from antiphon.providers.stub import end_of_turn

LOUD, QUIET = b"\x00\x10" * 16_000, bytes(3_200)
CONTEXT = EngineContext(Path())


async def test_a_quiet_end_is_over_and_a_loud_one_is_not() -> None:
    engine = end_of_turn.create(CONTEXT)
    assert await engine.score(Pcm(LOUD + QUIET, 16_000)) == 0.9
    assert await engine.score(Pcm(QUIET + LOUD, 16_000)) == 0.1
    assert await engine.score(Pcm(b"", 16_000)) == 0.9
