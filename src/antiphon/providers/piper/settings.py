"""Settings of Piper."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from antiphon.ports.settings import Section


class PiperSettings(Section):
    """Engine `piper`."""

    piper_path: Path | None = Field(default=None, description="A Piper voice (.onnx, with .json in its folder).")
