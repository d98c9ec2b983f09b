"""The artifact of a dubbed fragment: its texts, its audio, and how they were made."""

from __future__ import annotations

from msgspec import UNSET

from antiphon.dubbing import effects
from antiphon.dubbing.lineage import NO_MODEL, AudioAsset, AudioFacts, lineage, original_asset, without_audio
from antiphon.dubbing.lineage import Stage as IngestStage
from antiphon.ports.artifacts import Artifact, ArtifactAudio
from antiphon.ports.limiter import Account
from antiphon.wire.dubbing_server import FragmentProcessed
from antiphon.wire.entries import FragmentDubbed


def artifact_of(
    start: effects.Start,
    audio: bytes,
    made: FragmentDubbed | None,
    result: FragmentProcessed,
    owner: Account,
    now_s: float,
) -> Artifact:
    """Return the artifact of a fragment; ``audio`` is its original, empty if it is gone."""
    original = _original(start, result, now_s)
    return Artifact(
        tenant=owner.tenant,
        owner=owner.key_id,
        stream_id=result.stream_id,
        fragment_id=result.fragment_id,
        status=result.status,
        processing_time_ms=result.processing_time_ms,
        timestamp=int(now_s * 1000),
        stage_timings=result.stage_timings,
        lineage={**lineage([original]), **(made.lineage if made else {})},
        assets=(without_audio(original), *(made.assets if made else ())),
        error=result.error or None,
        transcript=None if result.transcript is UNSET else result.transcript,
        translation=None if result.translated_text is UNSET else result.translated_text,
        dubbed_audio=ArtifactAudio(made.audio, made.format, made.rate_hz, made.channels)
        if made and made.audio
        else None,
        original_audio=ArtifactAudio(audio, original.format, original.sample_rate_hz, original.channels)
        if audio
        else None,
    )


def _original(start: effects.Start, result: FragmentProcessed, now_s: float) -> AudioAsset:
    """Return the asset of a fragment's original audio."""
    received = start.fragment.audio
    stage = IngestStage(
        stream_id=result.stream_id,
        fragment_id=result.fragment_id,
        sequence_number=result.sequence_number,
        component_instance="gateway",
        model_id=NO_MODEL,
        latency_ms=0,
        ended_at_s=now_s - result.processing_time_ms / 1000,
    )
    audio = AudioFacts(
        audio_bytes=b"",
        format=received.format,
        sample_rate_hz=received.sample_rate_hz,
        channels=received.channels,
        duration_ms=received.duration_ms,
    )
    return original_asset(stage, audio)
