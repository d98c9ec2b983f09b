"""Storage for large job audio, shared by the processes of a fleet."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from antiphon.ports.settings import MANY, Section


class BlobSettings(Section):
    """Large audio of jobs."""

    blobs_path: Path | None = Field(
        default=None,
        description="Directory shared by all processes of a fleet, for job audio above 8 MiB; unset: stored in Redis "
        "in parts.",
    )
    blobs_max_mib: int = Field(
        default=4096,
        ge=1,
        le=MANY,
        description="Maximum audio per tenant in the directory of `ANTIPHON_BLOBS_PATH`, MiB.",
    )
