"""Settings of Kokoro."""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices, Field

from antiphon.ports.settings import Section


class KokoroSettings(Section):
    """Engine `kokoro`."""

    kokoro_path: Path | None = Field(
        default=None,
        validation_alias=AliasChoices("KOKORO_MODEL_DIR"),
        description="Folder with Kokoro's model and voices.",
    )
