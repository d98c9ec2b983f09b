from __future__ import annotations

import msgspec
import pytest

from antiphon.dubbing.fit import DurationMetadata
from antiphon.dubbing.lineage import (
    AudioFacts,
    Stage,
    TranscriptSegment,
    dubbed_asset,
    lineage,
    original_asset,
    transcript_asset,
    translation_asset,
)
from antiphon.entities.speech import Segment, Transcript

STAGE = Stage(
    stream_id="s1",
    fragment_id="f1",
    sequence_number=3,
    component_instance="whisper",
    model_id="base",
    latency_ms=410,
    ended_at_s=1_700_000_000.25,
)
HEARD = Transcript(
    "Hello there. Bye.",
    "en",
    2.0,
    (
        Segment(" Hello there.", 0.1, 1.1, average_logprob=-0.2),
        Segment("", 1.1, 1.2, average_logprob=-2.1),
        Segment(" Bye.", 1.2, 1.4, average_logprob=-1.7),
    ),
)
AUDIO = AudioFacts(audio_bytes=b"\1\2", format="m4a", sample_rate_hz=48_000, channels=2, duration_ms=6_000)
FAILED = msgspec.structs.replace(STAGE, status="FAILED", error_message="out of memory")

TRANSCRIPT = transcript_asset(STAGE, HEARD, language="en", audio_duration_ms=2_000, start_ms=12_000)
TRANSLATION = translation_asset(
    STAGE, TRANSCRIPT, "Hola. Adiós a todos.", source_text="Hello there. Bye.", source_language="en", target="es"
)
DUBBED = dubbed_asset(STAGE, TRANSLATION, AUDIO, voice_profile="default", text_input="Hola.")
ORIGINAL = original_asset(STAGE, AUDIO)


def test_ids_come_from_the_fragment_alone_so_that_a_retry_makes_no_second_asset() -> None:
    retried = msgspec.structs.replace(STAGE, latency_ms=9, ended_at_s=1_800_000_000.0)
    again = transcript_asset(retried, None, language="en", audio_duration_ms=2_000, start_ms=0)
    assert again.asset_id == TRANSCRIPT.asset_id == "transcript-f1"
    assert [one.asset_id for one in (TRANSLATION, DUBBED, ORIGINAL)] == [
        "translation-f1",
        "audio-dubbed-f1",
        "audio-original-f1",
    ]


def test_each_asset_names_what_it_was_made_from() -> None:
    assert [one.parent_asset_ids for one in (TRANSCRIPT, TRANSLATION, DUBBED, ORIGINAL)] == [
        (),
        ("transcript-f1",),
        ("translation-f1",),
        (),
    ]
    silent = dubbed_asset(STAGE, TRANSCRIPT, AUDIO, voice_profile="default", text_input="")
    assert silent.parent_asset_ids == ("transcript-f1",)


def test_what_the_stage_says_stands_in_every_asset() -> None:
    for asset, component in (
        (TRANSCRIPT, "asr"),
        (TRANSLATION, "translation"),
        (DUBBED, "tts"),
        (ORIGINAL, "ingest"),
    ):
        assert (asset.stream_id, asset.fragment_id, asset.sequence_number) == ("s1", "f1", 3)
        assert (asset.component, asset.component_instance, asset.model_id) == (component, "whisper", "base")
        assert (asset.status, asset.latency_ms, asset.error_message, asset.metadata) == ("SUCCESS", 410, None, {})
        assert asset.created_at == "2023-11-14T22:13:20.250Z"


def test_segments_with_words_are_placed_in_the_stream_and_judged() -> None:
    assert TRANSCRIPT.segments == (
        TranscriptSegment("Hello there.", 12_100, 13_100, 0.8),
        TranscriptSegment("Bye.", 13_200, 13_400, 0.0),
    )
    assert TRANSCRIPT.confidence == pytest.approx(0.8 * 1_000 / 1_200, abs=1e-4)
    assert (TRANSCRIPT.transcript, TRANSCRIPT.language) == ("Hello there. Bye.", "en")
    assert TRANSCRIPT.audio_duration_ms == 2_000


@pytest.mark.parametrize("heard", [None, Transcript("", "", 2.0)])
def test_silence_and_failure_have_no_words(heard: Transcript | None) -> None:
    asset = transcript_asset(FAILED, heard, language="fr", audio_duration_ms=2_000, start_ms=0)
    assert (asset.transcript, asset.segments, asset.confidence, asset.language) == ("", (), 0.0, "fr")
    assert (asset.status, asset.error_message) == ("FAILED", "out of memory")


def test_a_translation_counts_characters_and_words() -> None:
    assert (TRANSLATION.character_count, TRANSLATION.word_expansion_ratio) == (17, 1.333)
    assert (TRANSLATION.source_language, TRANSLATION.target_language) == ("en", "es")
    nothing = translation_asset(FAILED, TRANSCRIPT, "", source_text="", source_language="en", target="es")
    assert (nothing.translated_text, nothing.character_count, nothing.word_expansion_ratio) == ("", 0, 0.0)


def test_audio_carries_its_bytes_and_how_it_was_fitted() -> None:
    fitted = DurationMetadata(
        original_duration_ms=6_000,
        raw_duration_ms=7_500,
        final_duration_ms=6_010,
        duration_variance_percent=0.17,
        speed_ratio=1.25,
        speed_clamped=False,
    )
    dubbed = dubbed_asset(STAGE, TRANSLATION, AUDIO, voice_profile="ana", text_input="Hola.", duration=fitted)
    assert (dubbed.audio_bytes, dubbed.format, dubbed.duration_ms) == (b"\1\2", "m4a", 6_000)
    assert (dubbed.voice_profile, dubbed.text_input, dubbed.duration_metadata) == ("ana", "Hola.", fitted)
    assert (ORIGINAL.sample_rate_hz, ORIGINAL.channels, ORIGINAL.duration_metadata) == (48_000, 2, None)


def test_the_lineage_names_the_assets_that_there_are() -> None:
    assert lineage([TRANSCRIPT, TRANSLATION, DUBBED, ORIGINAL]) == {
        "transcript_asset_id": "transcript-f1",
        "translation_asset_id": "translation-f1",
        "audio_asset_id": "audio-dubbed-f1",
        "original_audio_asset_id": "audio-original-f1",
    }
    assert lineage([TRANSCRIPT]) == {"transcript_asset_id": "transcript-f1"}
    assert lineage([]) == {}
