"""Settings of OpenAI and OpenAI-compatible services."""

from __future__ import annotations

from pydantic import AliasChoices, Field, SecretStr

from antiphon.ports.settings import Address, Chosen, Section

OFFICIAL_BASE_URL = "https://api.openai.com/v1"


class OpenAiSettings(Section):
    """Engines `openai`, and `llm` of translation."""

    openai_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("OPENAI_API_KEY"),
        description="Key of the OpenAI-compatible services.",
    )
    openai_base_url: Address = Field(
        default=OFFICIAL_BASE_URL,
        validation_alias=AliasChoices("OPENAI_API_BASE"),
        description="Base URL of the `openai` engines.",
    )
    openai_llm_model: Chosen = Field(default="gpt-4o-mini", description="Chat model of the `openai` engine.")
    openai_stt_model: Chosen = Field(default="whisper-1", description="Transcription model of the `openai` engine.")
    openai_tts_model: Chosen = Field(default="tts-1", description="Speech model of the `openai` engine.")
    openai_llm_images: bool = Field(
        default=True, description="True when the chat model of the `openai` engine accepts images."
    )
    openai_translation_model: Chosen = Field(
        default="gpt-4o-mini", description="Chat model of the `llm` translation, at the `openai` service."
    )

    @property
    def is_official(self) -> bool:
        """Whether the service is OpenAI itself, which requires a key."""
        return self.openai_base_url.rstrip("/") == OFFICIAL_BASE_URL


class GroqSettings(Section):
    """Engine `groq`."""

    groq_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("GROQ_API_KEY"),
        description="Key of Groq.",
    )
    groq_llm_model: Chosen = Field(default="llama-3.3-70b-versatile", description="Chat model of the `groq` engine.")


class OllamaSettings(Section):
    """Engine `ollama`."""

    ollama_base_url: Address = Field(
        default="http://127.0.0.1:11434/v1", description="Base URL of Ollama's OpenAI-compatible API."
    )
    ollama_llm_model: Chosen = Field(default="llama3.2", description="Chat model of the `ollama` engine.")
