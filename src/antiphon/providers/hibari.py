"""hibari: a small English TTS, fast enough for one core; the default."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

import numpy as np

from antiphon.audio.stretch import stretch
from antiphon.entities.capabilities import Capabilities, Voice
from antiphon.errors import ProviderRejected
from antiphon.ports.engine import EngineContext
from antiphon.ports.tts import SpeakOptions
from antiphon.providers.hosting.speed import SpeakingSpeed
from antiphon.providers.hosting.thread_voice import ThreadVoice
from antiphon.text.addresses import spell_addresses

if TYPE_CHECKING:
    from hibari import Hibari

_SPEED = SpeakingSpeed({0.25: 3.99, 0.5: 1.993, 0.7: 1.411, 0.8: 1.232, 0.9: 1.039, 1.0: 1.0, 1.1: 0.961, 1.2: 0.905})
"""Uneven because the model rounds the length of every sound. Speeds up to 2.0 are possible but drop sounds: at 1.5
and 2.0 an STT misheard 7 and 12 of 78 words, against 2 and 4 when speeds beyond 1.2 are left to `stretch`."""


_LONG_NUMBER = re.compile(r"\d[\d,.]{14,}")
"""Hibari cannot read numbers of this length."""


def create(context: EngineContext) -> HibariTts:
    """Entry point of the ``hibari`` engine."""
    return HibariTts(context)


class HibariTts(ThreadVoice["Hibari"]):
    """Speaks English; letters that are not Latin have no sound."""

    engine = "hibari"

    @property
    def capabilities(self) -> Capabilities:
        """One voice."""
        voice = Voice("heart", "en", "American English, female")
        return Capabilities("hibari", models=("hibari",), voices=(voice,), languages=("en",), streams=True)

    def _load(self) -> Hibari:
        from hibari import Hibari

        engine = Hibari(threads=self._threads)
        engine("Ready to speak.")
        return engine

    async def _say(self, model: Hibari, words: str, options: SpeakOptions) -> bytes:
        return await self._in_thread(self._render, model, words, options.speed)

    def _render(self, model: Hibari, words: str, speed: float) -> bytes:
        own, rest = _SPEED.plan(speed)
        try:
            audio = model(readable(words), speed=own)
        except (ValueError, LookupError) as exc:
            raise ProviderRejected("hibari cannot read this text", detail=words) from exc
        data = (np.clip(audio, -1.0, 1.0) * 32767).astype("<i2").tobytes()
        return stretch(data, self.rate_hz, rest)


def readable(words: str) -> str:
    """Return ``words`` rewritten for hibari: digits as 0 to 9, long numbers digit by digit, addresses spelled out."""
    normal = unicodedata.normalize("NFKC", words)
    plain = "".join(str(unicodedata.digit(sign, sign)) if sign.isdigit() else sign for sign in normal)
    return _LONG_NUMBER.sub(lambda number: " ".join(number[0]), spell_addresses(plain))
