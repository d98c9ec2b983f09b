"""The value that a translation session is. Positions are ticks of 1/24000 s."""

from __future__ import annotations

from typing import Literal

import msgspec

from antiphon.wire.translation import TranslationSession

Component = Literal["stt", "translation", "tts"]
"""What a translation session depends on."""


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
    due: float = 0.0
    """When its job is given up if no result comes, seconds; 0 while no job is out."""


class State(msgspec.Struct):
    """A whole translation session."""

    seed: str
    session: TranslationSession
    job_timeout_s: float
    """Longest time without a result of any job of a stage."""
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
    close_due: float = 0.0
    """When the end is no longer waited for to be scored, seconds."""
    down: list[Component] = msgspec.field(default_factory=list[Component])
    """What has failed and not worked since."""
    closed: bool = False
