"""The value that a translation session is. Positions are ticks of 1/24000 s."""

from __future__ import annotations

from typing import Literal

import msgspec

from antiphon.wire.translation import TranslationSession


class Utterance(msgspec.Struct):
    """A stretch of speech on its way through the stages."""

    start: int
    target: str
    job_id: str
    stage: Literal["transcribe", "translate", "speak", "done"] = "transcribe"
    source: str = ""
    said: str = ""
    translated: str = ""
    shown: bool = False


class State(msgspec.Struct):
    """A whole translation session."""

    seed: str
    session: TranslationSession
    counter: int = 0
    written: int = 0
    scored: int = 0
    kept: int = 0
    """Where the audio begins that is still needed."""
    run: int = 0
    speech_start: int | None = None
    silence_start: int | None = None
    utterances: list[Utterance] = msgspec.field(default_factory=list[Utterance])
    close_at: int | None = None
    """Where the input ended, once the client has said so."""
    closed: bool = False
