"""Settings of ElevenLabs."""

from __future__ import annotations

from pydantic import AliasChoices, Field, SecretStr

from antiphon.ports.settings import Address, Chosen, Section

MIN_KEY_CHARACTERS = 10


class ElevenLabsSettings(Section):
    """Engine `elevenlabs`."""

    elevenlabs_api_key: SecretStr | None = Field(
        default=None,
        min_length=MIN_KEY_CHARACTERS,
        validation_alias=AliasChoices("ELEVENLABS_API_KEY"),
        description="Key of ElevenLabs.",
    )
    elevenlabs_base_url: Address = Field(default="https://api.elevenlabs.io", description="Address of ElevenLabs.")
    elevenlabs_model: Chosen = Field(default="eleven_flash_v2_5", description="Model of the `elevenlabs` engine.")
    elevenlabs_stability: float = Field(default=0.5, ge=0, le=1, description="Stability of its voices.")
    elevenlabs_similarity: float = Field(default=0.75, ge=0, le=1, description="Similarity boost of its voices.")
