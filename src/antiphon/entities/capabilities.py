"""Capabilities that engines declare, so that callers need not know their classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from antiphon.text.languages import base_language

EngineState = Literal["ok", "circuit_open", "left_out", "reserve"]
"""State of a configured engine: in use; skipped because its circuit is open; could not be loaded; not loaded because
one before it works."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Properties that callers choose an engine by."""

    name: str
    """The name used in settings, e.g. ``whisper``."""
    models: tuple[str, ...] = ()
    """Model names that ``/v1/models`` lists."""
    voices: tuple[Voice, ...] = ()
    """Voices that ``/v1/voices`` lists; the first is the default."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes; empty means any."""
    streams: bool = False
    """True if first results come before the whole input is processed."""
    is_remote: bool = False
    """True if a service shared with other processes does the work: they share its circuit breaker."""
    has_check: bool = False
    """True if the engine has a ``check`` for the health of its service."""
    images: bool = False
    """True if the model accepts images."""
    tools: bool = False
    """True if the model can decide to call functions (``tool_choice: auto``)."""
    continues: bool = False
    """True if the model continues after `ChatRequest.prefix` natively; others are instructed to."""
    context_tokens: int = 8192
    """Context window for prompt and answer, in the model's tokens."""

    @property
    def model(self) -> str:
        """The default model."""
        return self.models[0] if self.models else self.name

    def speaks(self, language: str) -> bool:
        """Return whether ``language`` is among `languages`, ignoring its region: ``pt-BR`` matches ``pt``."""
        wanted = base_language(language)
        return not self.languages or any(base_language(one) == wanted for one in self.languages)


@dataclass(frozen=True, slots=True)
class Voice:
    """One voice of one engine."""

    id: str
    language: str
    """ISO 639-1, optionally with a region: ``en``, ``pt-br``."""
    description: str = ""
