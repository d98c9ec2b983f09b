"""What came out of each stage of a fragment, and what it was made from.

A transcript has no parent, a translation comes from the transcript, dubbed audio from the translation. Ids depend on
the fragment and the stage alone, so that a retry makes the same asset again, not a second one.
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
"""In place of a model's name, where none worked."""

_KINDS: dict[Component, str] = {
    "ingest": "original_audio_asset_id",
    "asr": "transcript_asset_id",
    "translation": "translation_asset_id",
    "tts": "audio_asset_id",
}


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """How one stage went on one fragment: what every asset says."""

    stream_id: str
    fragment_id: str
    sequence_number: int
    component_instance: str
    """Name of the engine, e.g. ``whisper``."""
    model_id: str
    """`NO_MODEL` where none worked."""
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
    """What was heard."""

    transcript: str
    segments: tuple[TranscriptSegment, ...]
    confidence: float
    """0..1, mean of the segments by their length; 0 where nothing was said."""
    language: str
    audio_duration_ms: int


class TranslationAsset(Asset, frozen=True, kw_only=True):
    """The same in the target language."""

    translated_text: str
    source_text: str
    source_language: str
    target_language: str
    character_count: int
    """Characters that were translated, as services charge them: those of the source."""
    word_expansion_ratio: float
    """Words of the translation by words of the source; 0 where the source has none."""


class AudioFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of audio."""

    audio_bytes: bytes
    format: str
    sample_rate_hz: int
    channels: int
    duration_ms: int


class AudioAsset(Asset, frozen=True, kw_only=True):
    """Audio of a fragment: as it came, or dubbed."""

    audio_bytes: bytes
    format: str
    sample_rate_hz: int
    channels: int
    duration_ms: int
    duration_metadata: DurationMetadata | None = None
    voice_profile: str = ""
    text_input: str = ""


def transcript_asset(
    stage: Stage, heard: Transcript | None, *, language: str, audio_duration_ms: int, start_ms: int
) -> TranscriptAsset:
    """Return the asset of recognition; ``heard`` None where it failed, ``start_ms`` where the fragment begins."""
    segments = tuple(
        TranscriptSegment(
            one.text.strip(),
            start_ms + round(one.start_s * 1000),
            start_ms + round(one.end_s * 1000),
            min(1.0, max(0.0, one.average_logprob + 1.0)),
        )
        for one in (heard.segments if heard else ())
        if one.text
    )
    return TranscriptAsset(
        **_common(stage, f"transcript-{stage.fragment_id}"),
        component="asr",
        transcript=heard.text if heard else "",
        segments=segments,
        confidence=_mean_confidence(segments),
        language=(heard.language if heard else "") or language,
        audio_duration_ms=audio_duration_ms,
    )


def translation_asset(
    stage: Stage, parent: TranscriptAsset, translated: str, *, source_text: str, source_language: str, target: str
) -> TranslationAsset:
    """Return the asset of translation; ``translated`` is empty where it failed.

    ``source_text`` is what was given to the engine: the transcript as `antiphon.text.translatable` made it.
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
    """Return the asset of dubbed audio. Its parent is the transcript where silence made a translation needless."""
    return AudioAsset(
        **_common(stage, f"audio-dubbed-{stage.fragment_id}", parent),
        component="tts",
        **msgspec.structs.asdict(audio),
        duration_metadata=duration,
        voice_profile=voice_profile,
        text_input=text_input,
    )


def original_asset(stage: Stage, audio: AudioFacts) -> AudioAsset:
    """Return the asset of the audio as it came."""
    return AudioAsset(
        **_common(stage, f"audio-original-{stage.fragment_id}"),
        component="ingest",
        **msgspec.structs.asdict(audio),
    )


def lineage(assets: Iterable[Asset]) -> dict[str, str]:
    """Return the ids of a fragment's assets by kind, as ``metadata.json`` has them; those there are."""
    return {_KINDS[asset.component]: asset.asset_id for asset in assets}


def without_audio(asset: Asset) -> dict[str, Any]:
    """Return an asset as it is kept beside its audio."""
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
