"""Settings of the stubs."""

from __future__ import annotations

from pydantic import Field

from antiphon.ports.settings import HOUR_MS, MANY, Section


class StubSettings(Section):
    """Stub engines."""

    stub_stt_ms: float = Field(default=0, ge=0, le=HOUR_MS, description="Stub: time to the transcript.")
    stub_spread_ms: int = Field(
        default=0,
        ge=0,
        le=HOUR_MS,
        description="Stub: maximum additional time to the transcript, depending on the audio.",
    )
    stub_llm_ms: float = Field(default=0, ge=0, le=HOUR_MS, description="Stub: time to the first token.")
    stub_tts_ms: float = Field(default=0, ge=0, le=HOUR_MS, description="Stub: time to the first audio.")
    stub_text: str = Field(default="hello from the stub", description="Stub: text of the transcript.")
    stub_llm_words: int = Field(default=20, ge=0, le=MANY, description="Stub: words of an answer.")
    stub_llm_wps: float = Field(default=0, ge=0, le=MANY, description="Stub: words per second; 0: all at once.")
    stub_tts_ms_per_word: float = Field(
        default=300, ge=0, le=HOUR_MS, description="Stub: duration of a spoken word (a tone)."
    )
