"""The entries of pipes: what they weigh, and a failure as its caller gets it."""

from __future__ import annotations

from antiphon.bus.codec import decode_entry, encode_entry
from antiphon.entities.speech import Segment
from antiphon.errors import InvalidRequest, ProviderBusy, RateLimited
from antiphon.wire.entries import ENTRY_BYTES, AudioReady, JobFailed, TextReady, TranscriptReady


def test_an_entry_weighs_its_text_or_audio() -> None:
    assert AudioReady("j", bytes(640)).payload_bytes == 640
    assert TextReady("j", "words").payload_bytes == 5
    segments = (Segment("hello", 0.0, 1.0),) * 3
    assert TranscriptReady("j", "hello", "en", 1.0, segments).payload_bytes == 10 + 3 * ENTRY_BYTES


def test_a_failure_names_its_error_its_field_and_whether_to_try_again() -> None:
    failed = JobFailed.of("j", InvalidRequest("no such voice", param="voice", code="voice_not_found"))
    assert (failed.kind, failed.code, failed.param, failed.transient) == (
        "InvalidRequest",
        "voice_not_found",
        "voice",
        False,
    )
    assert JobFailed.of("j", ProviderBusy("later")).transient
    assert JobFailed.of("j", RateLimited("slower", retry_after_s=3.0)).retry_after_s == 3.0
    assert decode_entry(encode_entry(failed)) == failed
