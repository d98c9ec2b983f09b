"""Assets: the result of each stage of a fragment, with its parents.

A transcript has no parent, a translation comes from the transcript, dubbed audio from the translation. Ids depend only
on fragment and stage, so that a retry replaces an asset.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from antiphon.clock import iso_utc
from antiphon.dubbing.fit import DurationMetadata
from antiphon.entities.speech import Transcript

AssetStatus = Literal["SUCCESS", "PARTIAL", "FAILED"]
Component = Literal["ingest", "asr", "translation", "tts"]

NO_MODEL = "none"
"""Placeholder if no model was used."""

_KINDS: dict[Component, str] = {
    "ingest": "original_audio_asset_id",
    "asr": "transcript_asset_id",
    "translation": "translation_asset_id",
    "tts": "audio_asset_id",
}


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """Facts of one stage of one fragment: the fields common to all assets."""

    stream_id: str
    fragment_id: str
    sequence_number: int
    component_instance: str
    """Name of the engine, e.g. ``whisper``."""
    model_id: str
    """`NO_MODEL` if none was used."""
    latency_ms: int
    ended_at_s: float
    """Seconds since the epoch."""
    status: AssetStatus = "SUCCESS"
    error_message: str | None = None
    metadata: dict[str, Any] = {}


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one stage."""

    asset_id: str
    fragment_id: str
    stream_id: str
    sequence_number: int
    component: Component
    component_instance: str
    status: AssetStatus
    parent_asset_ids: tuple[str, ...] = ()
    latency_ms: int
    created_at: str
    """ISO 8601, UTC."""
    error_message: str | None = None
    model_id: str
    metadata: dict[str, Any] = {}


class TranscriptSegment(msgspec.Struct, frozen=True):
    """A stretch of speech, in milliseconds of the whole stream."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float
    """0..1."""


class TranscriptAsset(Asset, frozen=True, kw_only=True):
    """The transcript of a fragment."""

    transcript: str
    segments: tuple[TranscriptSegment, ...]
    confidence: float
    """0..1, mean of the segments weighted by length; 0 without segments."""
    language: str
    audio_duration_ms: int


class TranslationAsset(Asset, frozen=True, kw_only=True):
    """The translation of a transcript."""

    translated_text: str
    source_text: str
    source_language: str
    target_language: str
    character_count: int
    """Characters of the source, as services charge them."""
    word_expansion_ratio: float
    """Words of the translation per word of the source; 0 if the source has none."""


class AudioFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of audio."""

    audio_bytes: bytes
    format: str
    sample_rate_hz: int
    channels: int
    duration_ms: int


class AudioAsset(Asset, frozen=True, kw_only=True):
    """Audio of a fragment, original or dubbed."""

    audio_bytes: bytes
    format: str
    sample_rate_hz: int
    channels: int
    duration_ms: int
    duration_metadata: DurationMetadata | None = None
    voice_profile: str = ""
    text_input: str = ""


def transcript_asset(
    stage: Stage, recognised: Transcript | None, *, language: str, audio_duration_ms: int, start_ms: int
) -> TranscriptAsset:
    """Return the asset of recognition; ``recognised`` is None if it failed, ``start_ms`` is the fragment's position."""
    segments = tuple(
        TranscriptSegment(
            one.text.strip(),
            start_ms + round(one.start_s * 1000),
            start_ms + round(one.end_s * 1000),
            min(1.0, max(0.0, one.average_logprob + 1.0)),
        )
        for one in (recognised.segments if recognised else ())
        if one.text
    )
    return TranscriptAsset(
        **_common(stage, f"transcript-{stage.fragment_id}"),
        component="asr",
        transcript=recognised.text if recognised else "",
        segments=segments,
        confidence=_mean_confidence(segments),
        language=(recognised.language if recognised else "") or language,
        audio_duration_ms=audio_duration_ms,
    )


def translation_asset(
    stage: Stage, parent: TranscriptAsset, translated: str, *, source_text: str, source_language: str, target: str
) -> TranslationAsset:
    """Return the asset of translation; ``translated`` is empty if it failed.

    ``source_text`` is the engine's input: the transcript after `antiphon.text.translatable`.
    """
    words = len(source_text.split())
    return TranslationAsset(
        **_common(stage, f"translation-{stage.fragment_id}", parent),
        component="translation",
        translated_text=translated,
        source_text=source_text,
        source_language=source_language,
        target_language=target,
        character_count=len(source_text),
        word_expansion_ratio=round(len(translated.split()) / words, 3) if words else 0.0,
    )


def dubbed_asset(
    stage: Stage,
    parent: TranscriptAsset | TranslationAsset,
    audio: AudioFacts,
    *,
    voice_profile: str,
    text_input: str,
    duration: DurationMetadata | None = None,
) -> AudioAsset:
    """Return the asset of dubbed audio. Its parent is the transcript if silence needed no translation."""
    return AudioAsset(
        **_common(stage, f"audio-dubbed-{stage.fragment_id}", parent),
        component="tts",
        **msgspec.structs.asdict(audio),
        duration_metadata=duration,
        voice_profile=voice_profile,
        text_input=text_input,
    )


def original_asset(stage: Stage, audio: AudioFacts) -> AudioAsset:
    """Return the asset of the original audio."""
    return AudioAsset(
        **_common(stage, f"audio-original-{stage.fragment_id}"),
        component="ingest",
        **msgspec.structs.asdict(audio),
    )


def lineage(assets: Iterable[Asset]) -> dict[str, str]:
    """Return the ids of a fragment's assets by kind, as in ``metadata.json``."""
    return {_KINDS[asset.component]: asset.asset_id for asset in assets}


def without_audio(asset: Asset) -> dict[str, Any]:
    """Return the fields of an asset except its audio."""
    facts = msgspec.to_builtins(asset)
    facts.pop("audio_bytes", None)
    return facts


def _common(stage: Stage, asset_id: str, *parents: Asset) -> dict[str, Any]:
    fields = msgspec.structs.asdict(stage)
    created_at = iso_utc(fields.pop("ended_at_s"))
    return {
        **fields,
        "asset_id": asset_id,
        "parent_asset_ids": tuple(parent.asset_id for parent in parents),
        "created_at": created_at,
    }


def _mean_confidence(segments: Iterable[TranscriptSegment]) -> float:
    weighted = [(one.confidence, max(1, one.end_ms - one.start_ms)) for one in segments]
    length = sum(weight for _, weight in weighted)
    return round(sum(value * weight for value, weight in weighted) / length, 4) if length else 0.0
