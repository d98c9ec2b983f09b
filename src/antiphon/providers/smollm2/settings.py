"""Settings of SmolLM2."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from antiphon.ports.settings import Section


class SmolLm2Settings(Section):
    """Engine `smollm2`."""

    smollm2_path: Path | None = Field(default=None, description="A GGUF file to use instead of the default model.")
