"""What an engine says of itself, so that nobody asks which class it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from antiphon.text.languages import base_language

EngineState = Literal["ok", "circuit_open", "left_out", "reserve"]
"""How a configured engine is: it is asked; it kept failing and is left alone for a while; it could not be loaded; it
would be loaded if one before it could not."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Facts that the callers of an engine choose by."""

    name: str
    """The name used in settings, e.g. ``whisper``."""
    models: tuple[str, ...] = ()
    """Model names that ``/v1/models`` lists."""
    voices: tuple[Voice, ...] = ()
    """Voices that ``/v1/voices`` lists; the first is the default."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes; empty means any."""
    streams: bool = False
    """True when first results come before the whole input was worked on."""
    is_remote: bool = False
    """True when a service does the work that other processes call too: they share its circuit breaker."""
    has_check: bool = False
    """True when the engine has a ``check``, which asks its service how it is."""
    images: bool = False
    """True when the model looks at images."""
    tools: bool = False
    """True when the model may call functions on its own (``tool_choice: auto``)."""
    continues: bool = False
    """True when the model goes on behind `ChatRequest.prefix` by itself; others are told to, in words."""
    context_tokens: int = 8192
    """Prompt and answer together, in the model's tokens."""

    @property
    def model(self) -> str:
        """The model that works where a caller names none."""
        return self.models[0] if self.models else self.name

    def speaks(self, language: str) -> bool:
        """Say whether ``language`` is among `languages`, whatever its region: ``pt-BR`` where ``pt`` is."""
        wanted = base_language(language)
        return not self.languages or any(base_language(one) == wanted for one in self.languages)


@dataclass(frozen=True, slots=True)
class Voice:
    """One voice of one engine."""

    id: str
    language: str
    """ISO 639-1, optionally with a region: ``en``, ``pt-br``."""
    description: str = ""
