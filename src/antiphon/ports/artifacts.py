"""Artifacts: the stored results of dubbed fragments, for inspection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from antiphon.entities.dubbing import ProcessingError, StageTimings, Status


@dataclass(frozen=True, slots=True)
class ArtifactAudio:
    """Audio of a fragment, as it was sent."""

    data: bytes
    format: str
    """``m4a``, ``aac``, ``wav``, ``pcm_s16le`` or ``pcm_f32le``; a container in ``data`` takes precedence."""
    rate_hz: int
    channels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One fragment and its result, successful or not. Clients choose the ids: any text."""

    tenant: str
    owner: str
    """Public name of the key that the stream belongs to."""
    stream_id: str
    fragment_id: str
    status: Status
    processing_time_ms: int
    timestamp: int
    """Milliseconds since the epoch, UTC."""
    stage_timings: StageTimings = field(default_factory=StageTimings)
    lineage: Mapping[str, str] = field(default_factory=dict[str, str])
    """Ids of the assets by kind."""
    assets: tuple[Mapping[str, Any], ...] = ()
    """Output and inputs of each stage, without the audio."""
    error: ProcessingError | None = None
    transcript: str | None = None
    """None if the fragment failed before; empty for silence."""
    translation: str | None = None
    dubbed_audio: ArtifactAudio | None = None
    original_audio: ArtifactAudio | None = None


class Artifacts(Protocol):
    """Stores artifacts for a limited time. No method raises except when cancelled: storage never fails a fragment."""

    async def put(self, artifact: Artifact) -> None:
        """Store ``artifact`` in place of an earlier one of the same fragment; a failure is logged."""
        ...

    async def clean(self) -> None:
        """Remove artifacts above the maximum age, then the oldest of each stream above the count."""
        ...

    async def run(self, every_s: float) -> None:
        """Clean every ``every_s`` seconds, until cancelled."""
        ...
