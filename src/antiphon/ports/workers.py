"""How many calls an engine works on at a time."""

from __future__ import annotations

from pydantic import Field

from antiphon.ports.settings import Section


class WorkerSettings(Section):
    """Calls at a time."""

    stt_workers: int = Field(
        default=1, ge=1, le=1024, description="Utterances that an engine of this process transcribes at a time."
    )
    llm_workers: int = Field(
        default=4, ge=1, le=1024, description="Answers that a language model of this process writes at a time."
    )
    tts_workers: int = Field(
        default=4, ge=1, le=1024, description="Sentences that a voice of this process speaks at a time."
    )
    service_calls: int = Field(
        default=64,
        ge=1,
        le=1024,
        description="Jobs of a kind at a time where a service does the work, or is part of the chain, and answers on "
        "their way to a voice.",
    )
