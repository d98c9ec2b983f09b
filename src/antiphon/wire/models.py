"""Lists over REST: models and voices."""

from __future__ import annotations

from typing import Literal

import msgspec


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A configured model."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    """Unknown: engines do not say."""
    owned_by: str
    """Name of the engine in the settings."""


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """The list of models."""

    object: Literal["list"] = "list"
    data: list[Model]


class VoiceEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A voice of a configured engine."""

    id: str
    object: Literal["voice"] = "voice"
    language: str
    """ISO 639-1, optionally with a region."""
    description: str
    default: bool
    """True for the voice used for unknown names."""


class NamedVoice(msgspec.Struct, frozen=True, kw_only=True):
    """A voice in the form of voice pickers."""

    id: str
    name: str
    language: str
    """ISO 639-1, optionally with a region."""
    description: str
    default: bool
    """True for the voice used for unknown names."""


class VoicePicks(msgspec.Struct, frozen=True, kw_only=True):
    """All of them, for voice pickers."""

    voices: list[NamedVoice]


class VoiceList(msgspec.Struct, frozen=True, kw_only=True):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[VoiceEntry]
