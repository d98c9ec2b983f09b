"""The state of a translation session. Positions are ticks of 1/24000 s."""

from __future__ import annotations

from typing import Literal

import msgspec

from antiphon.wire.translation import TranslationSession

Component = Literal["stt", "translation", "tts"]
"""Components that a translation session depends on."""


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
    """When its job times out unless it gives a result, seconds; 0 while no job is running."""


class State(msgspec.Struct):
    """A whole translation session."""

    seed: str
    session: TranslationSession
    job_timeout_s: float
    """Maximum time without a result of any job of a stage."""
    counter: int = 0
    written: int = 0
    scored: int = 0
    kept: int = 0
    """Start of the audio that is still needed."""
    run: int = 0
    speech_start: int | None = None
    silence_start: int | None = None
    utterances: list[Utterance] = msgspec.field(default_factory=list[Utterance])
    close_at: int | None = None
    """End of the input, once the client has closed it."""
    close_due: float = 0.0
    """When the session closes even if the end is not scored, seconds."""
    down: list[Component] = msgspec.field(default_factory=list[Component])
    """Components that have failed and not worked since."""
    closed: bool = False
