"""Settings of XTTS."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from antiphon.ports.settings import Section


class XttsSettings(Section):
    """Engine `xtts`."""

    xtts_path: Path | None = Field(default=None, description="Folder of Coqui's XTTS v2.")
    xtts_speaker_wav: Path | None = Field(default=None, description="Voice sample of `xtts`; unset: a named speaker.")
    xtts_samples: Path | None = Field(
        default=None, description="Folder of voice samples; unset: `voices` in the data directory."
    )
