"""Speech and transcription over REST."""

from __future__ import annotations

from pydantic import AliasChoices, Field

from antiphon.ports.settings import WEEK_S, Section


class SpeechSettings(Section):
    """Speech over REST."""

    speech_voice: str = Field(
        default="", description="Voice of `/v1/audio/speech` if the request names none; empty: the engine's default."
    )
    speech_speed: float = Field(
        default=1.0,
        ge=0.25,
        le=4.0,
        validation_alias=AliasChoices("TTS_SPEED"),
        description="Default speed of speech over REST and in sessions, where the protocol's maximum is 1.5; 2 takes "
        "half the time.",
    )
    speech_timeout_s: float = Field(
        default=300.0,
        gt=0,
        le=WEEK_S,
        description="Timeout of one REST call to speak or to transcribe, seconds; the length of a recording is added.",
    )
