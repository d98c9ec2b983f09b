"""Kokoro: a neural voice of 82 million parameters in eight languages; slow without many cores.

Phonemes come from espeak-ng in its own process.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from zipfile import BadZipFile

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from antiphon.audio.stretch import stretch
from antiphon.entities.capabilities import Capabilities, Voice
from antiphon.errors import WeightsMissing
from antiphon.ports.engine import EngineContext
from antiphon.ports.tts import SpeakOptions
from antiphon.providers.espeak.tts import espeak_process
from antiphon.providers.hosting.frames import Phonemes, Phonemize
from antiphon.providers.hosting.speed import SpeakingSpeed
from antiphon.providers.hosting.thread_voice import ThreadVoice
from antiphon.providers.kokoro.phonemes import tokens
from antiphon.providers.kokoro.settings import KokoroSettings
from antiphon.providers.weights.files import Weights
from antiphon.text.languages import base_language
from antiphon.text.scripts import language_of_script

_FAVOURITES = ("af_heart", "af_bella", "jf_alpha")
"""The default voice is the first available one of these."""

_LANGUAGES = {
    "a": "en-us",
    "b": "en-gb",
    "e": "es",
    "f": "fr",
    "h": "hi",
    "i": "it",
    "j": "ja",
    "p": "pt-br",
    "z": "zh",
}
"""By the first letter of a voice's name."""

_PACE = SpeakingSpeed({0.5: 2.036, 0.6: 1.644, 0.7: 1.455, 0.8: 1.273, 0.9: 1.09, 1.0: 1.0, 1.1: 0.948, 1.2: 0.877})
"""Uneven because the model rounds the length of every sound; beyond 1.2 it drops sounds."""


def create(context: EngineContext) -> KokoroTts:
    """Entry point of the ``kokoro`` engine. Raises `WeightsMissing`."""
    path = context.section(KokoroSettings).kokoro_path
    return KokoroTts(path or Weights(context.data_dir, offline=context.offline).folder("kokoro"), context)


@dataclass(frozen=True, slots=True)
class _Model:
    session: ort.InferenceSession
    styles: dict[str, NDArray[np.float32]]


class KokoroTts(ThreadVoice[_Model]):
    """Speaks with the voices in the folder: ``*.onnx`` and ``voices*.npz`` or ``voices*.bin``."""

    engine = "kokoro"

    def __init__(self, folder: Path, context: EngineContext) -> None:
        super().__init__(context)
        self._network = _only(folder, "*.onnx")
        self._styles = _only(folder, "voices*")
        names = _voice_names(self._styles)
        favourite = next((name for name in _FAVOURITES if name in names), names[0])
        self._voices = [favourite, *(name for name in names if name != favourite)]
        self._phonemizer = espeak_process(context.timeout_s, engine="kokoro")

    @property
    def capabilities(self) -> Capabilities:
        """The voices of the file, and their languages."""
        voices = tuple(Voice(name, _LANGUAGES.get(name[0], "en-us"), "Kokoro") for name in self._voices)
        languages = tuple(dict.fromkeys(base_language(voice.language) for voice in voices))
        return Capabilities("kokoro", ("kokoro",), voices, languages, streams=True)

    async def start(self) -> None:
        """Load the network, and start the process for phonemes."""
        await self._phonemizer.start()
        await super().start()

    async def close(self) -> None:
        """Free both; idempotent."""
        await super().close()
        await self._phonemizer.close()

    def _load(self) -> _Model:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = self._threads
        options.log_severity_level = 3
        session = ort.InferenceSession(self._network, options, providers=["CPUExecutionProvider"])
        with np.load(self._styles) as styles:
            model = _Model(session, {name: styles[name] for name in styles.files})
        self._render(model, tokens("həlˈoʊ.", "en-us"), self._voices[0], 1.0)
        return model

    async def _say(self, model: _Model, words: str, options: SpeakOptions) -> bytes:
        language = (options.language or language_of_script(words) or "en-us").lower()
        numbers = tokens(await self._phonemes(words, language), language)
        voice = self._voice_for(options.voice, language)
        return await self._in_thread(self._render, model, numbers, voice, options.speed) if numbers else b""

    async def _phonemes(self, words: str, language: str) -> str:
        request = self._phonemizer.ask(lambda id_: Phonemize(id_, words, language))
        async with aclosing(request) as replies:
            return "".join([reply.text async for reply in replies if isinstance(reply, Phonemes)])

    def _voice_for(self, wanted: str, language: str) -> str:
        if wanted in self._voices:
            return wanted
        base = base_language(language)
        speakers = (name for name in self._voices if base_language(_LANGUAGES.get(name[0], "")) == base)
        return next(speakers, self._voices[0])

    def _render(self, model: _Model, numbers: list[int], voice: str, speed: float) -> bytes:
        own, rest = _PACE.plan(speed)
        styles = model.styles[voice]
        inputs = {
            "tokens": np.array([[0, *numbers, 0]], np.int64),
            "style": styles[min(len(numbers), len(styles) - 1)].reshape(1, -1).astype(np.float32),
            "speed": np.array([own], np.float32),
        }
        audio = cast("NDArray[np.float32]", model.session.run(None, inputs)[0]).reshape(-1)
        data = (np.clip(audio, -1.0, 1.0) * 32767).astype("<i2").tobytes()
        return stretch(data, self.rate_hz, rest)


def _voice_names(path: Path) -> list[str]:
    try:
        with path.open("rb") as file, np.load(file) as styles:  # numpy leaves a file open that it opened by path
            names = sorted(styles.files)
    except (OSError, ValueError, EOFError, BadZipFile) as exc:
        raise WeightsMissing(f"{path} holds no voices of Kokoro: {exc}") from exc
    if not names:
        raise WeightsMissing(f"{path} holds no voices of Kokoro")
    return names


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if not found:
        raise WeightsMissing(f"{folder} holds no {pattern}; run `antiphon models pull kokoro`")
    return found[0]
