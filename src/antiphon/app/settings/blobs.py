"""Where large audio of jobs is kept between the processes of a fleet."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from antiphon.ports.settings import MANY, Section


class BlobSettings(Section):
    """Large audio of jobs."""

    blobs_path: Path | None = Field(
        default=None,
        description="Folder that all processes of a fleet share, for audio above 8 MiB of a job; unset: it lies in "
        "Redis in parts.",
    )
    blobs_max_mib: int = Field(
        default=4096,
        ge=1,
        le=MANY,
        description="Most audio in the folder of `ANTIPHON_BLOBS_PATH` for one tenant, MiB.",
    )
