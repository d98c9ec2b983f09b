"""Access control and shutdown."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator

from antiphon.ports.settings import WEEK_S, Names, Secrets, Section

_KEY_LENGTH = 16


class ServerSettings(Section):
    """Access and shutdown."""

    api_keys: Secrets = Field(
        default=(),
        description="Static API keys, comma-separated, each of at least 16 characters. Unset: no authentication, "
        "loopback only.",
    )
    secret_key: SecretStr | None = Field(
        default=None,
        description="Key that seals client secrets, at least 32 characters; former keys may follow after commas, and "
        "secrets sealed with them remain valid. Unset: generated once and stored in the data directory.",
    )
    allowed_origins: Names = Field(
        default=(),
        description="Origins of web pages that may read this server's responses, and call it while it has no API keys.",
    )
    drain_s: float = Field(default=30.0, ge=0, le=WEEK_S, description="Maximum drain time at shutdown, seconds.")

    @field_validator("api_keys")
    @classmethod
    def _check_keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        """Refuse keys that could be guessed from their public names in a log, and keys that could never match."""
        for key in keys:
            text = key.get_secret_value()
            if text.startswith("ek_"):
                raise ValueError("a key begins with 'ek_', as client secrets do: no request could use it")
            if len(text) < _KEY_LENGTH:
                raise ValueError(
                    f"a key is shorter than {_KEY_LENGTH} characters; make one with 'openssl rand -hex 24'"
                )
        return keys
