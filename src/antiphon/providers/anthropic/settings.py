"""Settings of Anthropic."""

from __future__ import annotations

from typing import Literal

from pydantic import AliasChoices, Field, SecretStr

from antiphon.ports.settings import Address, Chosen, Section

OFFICIAL_BASE_URL = "https://api.anthropic.com"


class AnthropicSettings(Section):
    """Engine `anthropic`."""

    anthropic_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("ANTHROPIC_API_KEY"),
        description="Key of Anthropic.",
    )
    anthropic_base_url: Address = Field(default=OFFICIAL_BASE_URL, description="Base URL of the `anthropic` engine.")
    anthropic_llm_model: Chosen = Field(default="claude-haiku-5-5", description="Chat model of the `anthropic` engine.")
    anthropic_llm_thinking: Literal["disabled", "between_tools", "adaptive", "model"] = Field(
        default="disabled",
        description="Thinking mode of the `anthropic` engine; `model` sends none, so the model's default applies.",
    )
