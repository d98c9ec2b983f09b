"""Without a model every pause is the end of the turn."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.entities.speech import Pcm
from antiphon.ports.engine import EngineContext
from antiphon.providers.no_end_of_turn import create


@pytest.mark.parametrize("audio", [Pcm(b"", 16_000), Pcm(bytes(3_200), 16_000), Pcm(b"\x00\x10" * 16_000, 24_000)])
async def test_every_clip_is_over(audio: Pcm) -> None:
    engine = create(EngineContext(Path()))
    await engine.start()
    assert engine.capabilities.name == "silence"
    assert await engine.score(audio) == 1.0
    await engine.close()
