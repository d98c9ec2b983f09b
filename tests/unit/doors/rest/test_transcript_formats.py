"""One transcript in every format of an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antiphon.doors.rest.transcript_formats import PLAIN_FORMATS, as_json, as_srt, as_verbose, as_vtt, languages_of
from antiphon.entities.speech import Segment, Word
from antiphon.wire.entries import TranscriptReady
from antiphon.wire.transcriptions import LanguageCode
from tests.unit.doors.rest_stage import SEGMENTS

SPOKEN = TranscriptReady("j", "Hello there. How are you?", "en", 3661.04151, SEGMENTS)
SILENT = TranscriptReady("j", "", "", 1.0, ())
LOST = Segment("", 1.5, 3.0, (), -1.9, 0.1)


def verbose(transcript: TranscriptReady, *granularities: str, translated: bool = False) -> dict[str, Any]:
    return json.loads(as_verbose(transcript, granularities=granularities, translated=translated, temperature=0.25))


@pytest.mark.parametrize(("text", "language", "codes"), [
    ("Hello.", "en", ["en"]), ("Hello.", "", []), ("", "en", []), ("", "", []),
])  # fmt: skip
def test_a_language_is_told_where_words_were_spoken(text: str, language: str, codes: list[str]) -> None:
    assert languages_of(TranscriptReady("j", text, language, 1.0, ())) == [LanguageCode(code) for code in codes]


def test_json_has_the_text_its_duration_and_its_languages() -> None:
    assert json.loads(as_json(SPOKEN)) == {
        "text": "Hello there. How are you?",
        "usage": {"type": "duration", "seconds": 3661.042},
        "languages": [{"code": "en"}],
    }


@pytest.mark.parametrize(("granularities", "fields"), [
    ((), {"segments"}),
    (("segment",), {"segments"}),
    (("word",), {"words"}),
    (("word", "segment"), {"segments", "words"}),
])  # fmt: skip
def test_verbose_json_has_what_is_asked_for(granularities: tuple[str, ...], fields: set[str]) -> None:
    assert set(verbose(SPOKEN, *granularities)) - {"task", "language", "duration", "text", "usage"} == fields


def test_verbose_json_tells_the_task_and_times_in_milliseconds() -> None:
    told = verbose(SPOKEN, "word", "segment", translated=True)
    assert (told["task"], told["language"], told["duration"]) == ("translate", "en", 3661.042)
    assert [(one["id"], one["start"], one["end"]) for one in told["segments"]] == [(0, 0.0, 1.25), (1, 1.5, 3661.041)]
    assert [one["word"] for one in told["words"]] == ["Hello", "there.", "How"]
    assert {one["temperature"] for one in told["segments"]} == {0.25}
    assert verbose(SPOKEN)["task"] == "transcribe"


def test_words_lose_the_spaces_around_them() -> None:
    segment = Segment(" a b", 0.0, 1.0, (Word(" a", 0.0, 0.5), Word(" b ", 0.5, 1.00049)))
    told = verbose(TranscriptReady("j", "a b", "en", 1.0, (segment,)), "word")
    assert told["words"] == [{"word": "a", "start": 0.0, "end": 0.5}, {"word": "b", "start": 0.5, "end": 1.0}]


def test_a_passage_that_was_not_recognised_is_a_segment_of_verbose_json_and_no_cue() -> None:
    spoken = (Segment("One.", 0.0, 1.0), Segment("Two.", 3.0, 4.0))
    whole = TranscriptReady("j", "One. Two.", "en", 4.0, (spoken[0], LOST, spoken[1]))
    clean = TranscriptReady("j", "One. Two.", "en", 4.0, spoken)
    segments = verbose(whole)["segments"]
    told = {"text": "", "recognized": False, "avg_logprob": -1.9, "compression_ratio": 0.0, "start": 1.5, "end": 3.0}
    assert told.items() <= segments[1].items()
    assert all("recognized" not in segments[at] for at in (0, 2))
    for plain in PLAIN_FORMATS.values():
        assert plain(whole) == plain(clean)


def test_subtitles_have_one_cue_a_segment_with_hours() -> None:
    assert as_srt(SPOKEN).decode() == (
        "1\n00:00:00,000 --> 00:00:01,250\nHello there.\n\n2\n00:00:01,500 --> 01:01:01,042\nHow are you?\n"
    )
    assert as_vtt(SPOKEN).decode() == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.250\nHello there.\n\n00:00:01.500 --> 01:01:01.042\nHow are you?\n"
    )


def test_words_that_look_like_a_cue_do_not_break_the_subtitles() -> None:
    segment = Segment("a --> b\n\n2\nc", 0.0, 1.0)
    assert as_srt(TranscriptReady("j", segment.text, "en", 1.0, (segment,))) == (
        b"1\n00:00:00,000 --> 00:00:01,000\na -> b 2 c\n"
    )


@pytest.mark.parametrize(("name", "body"), [("text", b"\n"), ("srt", b""), ("vtt", b"WEBVTT\n")])
def test_silence_is_an_empty_document(name: str, body: bytes) -> None:
    assert PLAIN_FORMATS[name](SILENT) == body
    assert json.loads(as_json(SILENT))["text"] == ""
    assert verbose(SILENT)["segments"] == []
