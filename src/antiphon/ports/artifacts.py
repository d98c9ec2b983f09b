"""Artifacts: what is kept of each dubbed fragment, for those who look into how it came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from antiphon.entities.dubbing import ProcessingError, StageTimings, Status


@dataclass(frozen=True, slots=True)
class ArtifactAudio:
    """Audio of a fragment, as it travelled."""

    data: bytes
    format: str
    """``m4a``, ``aac``, ``wav``, ``pcm_s16le`` or ``pcm_f32le``; a container in ``data`` counts more."""
    rate_hz: int
    channels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One fragment, good or bad, and what became of it. Its ids are a client's own: any text."""

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
    """What each stage made, and from what, without the audio."""
    error: ProcessingError | None = None
    transcript: str | None = None
    """None where the fragment did not come so far; empty for silence."""
    translation: str | None = None
    dubbed_audio: ArtifactAudio | None = None
    original_audio: ArtifactAudio | None = None


class Artifacts(Protocol):
    """Keeps artifacts for a while. Nothing of it ever harms a fragment: no method raises but by being cancelled."""

    async def put(self, artifact: Artifact) -> None:
        """Keep ``artifact``, in place of an earlier one of the same fragment; a failure is logged."""
        ...

    async def clean(self) -> None:
        """Remove what is too old, then the oldest of each stream that has too many."""
        ...

    async def run(self, every_s: float) -> None:
        """Clean every ``every_s`` seconds, until cancelled."""
        ...
