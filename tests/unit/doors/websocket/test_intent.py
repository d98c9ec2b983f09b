"""The ``intent`` of a WebSocket's URL."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest

from antiphon.doors.websocket.intent import intent_of
from antiphon.errors import InvalidRequest

KNOWN = ("conversation", "transcription")


@pytest.mark.parametrize(("query", "intent"), [
    ("", "conversation"),
    ("model=m", "conversation"),
    ("intent=transcription", "transcription"),
    ("intent=conversation&model=transcription", "conversation"),
    ("intent=transcription&model=&intent=transcription", "transcription"),
])  # fmt: skip
def test_an_intent_is_the_urls_or_else_the_first_that_is_known(query: str, intent: str) -> None:
    assert intent_of(parse_qs(query, keep_blank_values=True), *KNOWN) == intent


@pytest.mark.parametrize("query", [
    "intent=dictation",
    "intent=",
    "intent=Transcription",
    "intent=transcription%20",
    "model=gpt-realtime&intent=summary",
    "intent=transcription&intent=conversation",
    "intent=transcription&intent=x",
    f"intent={'x' * 10_000}",
])  # fmt: skip
def test_an_unknown_intent_and_two_different_ones_are_refused_by_name(query: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        intent_of(parse_qs(query, keep_blank_values=True), *KNOWN)
    assert refused.value.param == "intent"
    assert '"conversation" or "transcription"' in refused.value.message.replace("'", '"')
    assert refused.value.message.count("x") <= 256
