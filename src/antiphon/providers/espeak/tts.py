"""espeak-ng: a small, clear, robotic voice in a hundred languages; the last fallback.

It is GPL-3 and keeps global state, so it runs in a process of its own.
"""

from __future__ import annotations

from antiphon.entities.capabilities import Capabilities, Voice
from antiphon.ports.engine import EngineContext
from antiphon.providers.espeak.process import OWN_NAMES
from antiphon.providers.hosting.child_process import ChildProcess
from antiphon.providers.hosting.child_voice import ChildVoice
from antiphon.text.languages import base_language

DEFAULT_VOICE = "en-us"

_USUAL_NAMES = {own: usual for usual, own in OWN_NAMES.items()}


def create(context: EngineContext) -> EspeakTts:
    """Entry point of the ``espeak`` engine."""
    return EspeakTts(context)


def espeak_process(timeout_s: float, *, engine: str = "espeak") -> ChildProcess:
    """Return a process of espeak-ng; other engines use it for phonemes."""
    module = "antiphon.providers.espeak.process"
    return ChildProcess(engine, module, needs="espeakng_loader", timeout_s=timeout_s)


class EspeakTts(ChildVoice):
    """Speaks the requested language, else the one of the text's script, else English."""

    def __init__(self, context: EngineContext) -> None:
        super().__init__(espeak_process(context.timeout_s))

    @property
    def capabilities(self) -> Capabilities:
        """All voices and their languages, once started."""
        found = self._about.voices if self._about else ()
        voices = {DEFAULT_VOICE: Voice(DEFAULT_VOICE, "en-us", "English (America)")}
        for voice in found:
            voices.setdefault(voice[0], Voice(*voice))
        languages = tuple(dict.fromkeys(_language(voice[1]) for voice in found))
        return Capabilities("espeak", ("espeak-ng",), tuple(voices.values()), languages, streams=True)


def _language(code: str) -> str:
    base = base_language(code)
    return _USUAL_NAMES.get(base, base)
