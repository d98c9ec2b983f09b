from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.providers.xtts.tts import XttsTts
from tests.fakes.coqui_model import PACKAGES, PYTHONPATH
from tests.unit.providers.xtts.stage import engine


@pytest.fixture(autouse=True)
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the library notes what it is asked."""
    monkeypatch.syspath_prepend(PACKAGES)
    monkeypatch.setenv("PYTHONPATH", PYTHONPATH)
    monkeypatch.setenv("COQUI_FAKE_LOG", str(tmp_path / "asked.jsonl"))
    return tmp_path / "asked.jsonl"


@pytest.fixture
async def voice(tmp_path: Path) -> AsyncIterator[XttsTts]:
    made = engine(tmp_path)
    await made.start()
    yield made
    await made.close()
