"""How many calls an engine works on at a time."""

from __future__ import annotations

from pydantic import Field

from antiphon.ports.settings import Section


class WorkerSettings(Section):
    """Calls at a time."""

    stt_workers: int = Field(
        default=1, ge=1, le=1024, description="Utterances transcribed at a time by an engine in this process."
    )
    llm_workers: int = Field(
        default=4, ge=1, le=1024, description="Answers generated at a time by an LLM in this process."
    )
    tts_workers: int = Field(
        default=4, ge=1, le=1024, description="Sentences synthesized at a time by a TTS engine in this process."
    )
    service_calls: int = Field(
        default=64,
        ge=1,
        le=1024,
        description="Concurrent jobs of a kind whose chain has a remote engine, and concurrent answers to be spoken.",
    )
