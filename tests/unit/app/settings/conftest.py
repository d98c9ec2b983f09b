"""No settings from outside, and a file of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = ("ANTIPHON_", "OPENAI_", "GROQ_", "ANTHROPIC_")
    for name in [name for name in os.environ if name.startswith(foreign)]:
        monkeypatch.delenv(name)


@pytest.fixture
def toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration file that the settings read."""
    path = tmp_path / "antiphon.toml"
    path.write_text("")
    monkeypatch.setenv("ANTIPHON_CONFIG", str(path))
    return path
