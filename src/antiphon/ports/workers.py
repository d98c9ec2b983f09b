"""Concurrency of engines."""

from __future__ import annotations

from pydantic import Field

from antiphon.ports.settings import Section


class WorkerSettings(Section):
    """Concurrent calls."""

    stt_workers: int = Field(
        default=1, ge=1, le=1024, description="Utterances that an STT engine of this process transcribes concurrently."
    )
    llm_workers: int = Field(
        default=4, ge=1, le=1024, description="Answers that an LLM of this process generates concurrently."
    )
    tts_workers: int = Field(
        default=4, ge=1, le=1024, description="Sentences that a TTS engine of this process synthesizes concurrently."
    )
    service_calls: int = Field(
        default=64,
        ge=1,
        le=1024,
        description="Concurrent jobs of a kind where a service does the work or is part of the chain; also concurrent "
        "answers that are spoken.",
    )
