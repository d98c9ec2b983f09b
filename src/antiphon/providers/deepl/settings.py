"""Settings of DeepL."""

from __future__ import annotations

from pydantic import AliasChoices, Field, SecretStr

from antiphon.ports.settings import Address, Section


class DeepLSettings(Section):
    """Engine `deepl`."""

    deepl_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("DEEPL_API_KEY", "DEEPL_AUTH_KEY"),
        description="Key of DeepL.",
    )
    deepl_server_url: Address = Field(default="", description="Address of DeepL; empty: chosen by the kind of key.")
