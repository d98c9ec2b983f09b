"""The process of XTTS: ``python -m antiphon.providers.xtts.process FOLDER THREADS`` (see `hosting.loop`)."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from antiphon.audio.stretch import stretch
from antiphon.providers.hosting.frames import AnyRequest, Audio, Ready, Say
from antiphon.providers.hosting.loop import Send, serve
from antiphon.text.languages import base_language
from antiphon.text.scripts import language_of_script

FROM_HUB = "hub"
"""In place of a folder: the library downloads the model into its own cache."""

DEFAULT_SPEAKER = "Claribel Dervla"
LANGUAGES = (
    *("en", "es", "fr", "de", "it", "pt", "pl", "tr", "ru"),
    *("nl", "cs", "ar", "zh", "hu", "ko", "ja", "hi"),
)
_MODEL = "tts_models/multilingual/multi-dataset/xtts_v2"
_RATE_HZ = 24_000
_SLOWEST, _FASTEST = 0.5, 2.0
"""Range of speeds of the model; `stretch` does the rest."""
_USUAL_LIMIT = 200
_KEPT_SAMPLES = 32


class XttsEngine:
    """The model, on the GPU where there is one."""

    def __init__(self, folder: str, threads: int) -> None:
        import torch  # pyright: ignore[reportMissingImports]  # an extra
        from TTS.tts.configs.xtts_config import XttsConfig  # pyright: ignore[reportMissingImports]  # an extra
        from TTS.tts.models.xtts import Xtts  # pyright: ignore[reportMissingImports]  # an extra

        torch.set_num_threads(threads)
        path = _fetched() if folder == FROM_HUB else Path(folder)
        config = XttsConfig()
        config.load_json(str(path / "config.json"))
        self._model: Any = Xtts(config)
        self._model.load_checkpoint(config, checkpoint_dir=str(path), eval=True)
        if torch.cuda.is_available():
            self._model.cuda()
        self._speakers: dict[str, dict[str, Any]] = self._model.speaker_manager.speakers
        self._default = DEFAULT_SPEAKER if DEFAULT_SPEAKER in self._speakers else next(iter(self._speakers))
        self._sample = lru_cache(_KEPT_SAMPLES)(self._heard)
        list(self._say(Say(0, "Ready to speak.")))

    def ready(self) -> Ready:
        """Name the speakers, the default first."""
        names = dict.fromkeys([self._default, *self._speakers])
        return Ready(0, _RATE_HZ, tuple((name, "en", "XTTS") for name in names))

    def answer(self, request: AnyRequest, send: Send) -> None:
        """Speak one sentence; it can be stopped between pieces, which are a fraction of a second long."""
        if not isinstance(request, Say):
            raise TypeError(f"XTTS cannot answer {type(request).__name__}")
        for piece in self._say(request):
            if not send(Audio(request.id, piece)):
                return

    def _say(self, request: Say) -> Iterator[bytes]:
        own = min(max(request.speed, _SLOWEST), _FASTEST)
        pieces = self._pieces(request, own)
        if own == request.speed:
            yield from pieces
        else:
            yield stretch(b"".join(pieces), _RATE_HZ, request.speed / own)

    def _pieces(self, request: Say, speed: float) -> Iterator[bytes]:
        language = language_for(request.language, request.text)
        limit = self._model.tokenizer.char_limits.get(language, _USUAL_LIMIT)
        latents, embedding = self._voice(request.voice)
        for text in portions(request.text, limit):
            for samples in self._model.inference_stream(text, language, latents, embedding, speed=speed):
                audio = np.clip(samples.cpu().numpy().reshape(-1), -1.0, 1.0)
                yield (audio * 32767).astype("<i2").tobytes()

    def _voice(self, voice: str) -> tuple[Any, Any]:
        """Return latents and embedding of a speaker, or of the recording at a path."""
        if voice.lower().endswith(".wav"):
            return self._sample(voice, Path(voice).stat().st_mtime_ns)
        latents, embedding = self._speakers.get(voice, self._speakers[self._default]).values()
        return latents, embedding

    def _heard(self, path: str, _changed_ns: int) -> tuple[Any, Any]:
        return self._model.get_conditioning_latents(audio_path=[path])


def language_for(wanted: str, text: str) -> str:
    """Return the language to speak ``text`` in: the requested one, else the one of its script, else English."""
    known = (base_language(wanted), language_of_script(text))
    return next((language for language in known if language in LANGUAGES), "en")


def portions(text: str, limit: int) -> list[str]:
    """Cut ``text`` into parts of at most ``limit`` characters, after a clause or a word if possible.

    The model truncates longer texts.
    """
    part = rf".{{1,{limit}}}"
    cut = re.compile(rf"{part}\Z|{part}(?<=[,;:，、；：،؛])|{part}(?<=\s)|{part}", re.DOTALL)
    return [found.strip() for found in cut.findall(text) if found.strip()]


def _fetched() -> Path:
    from TTS.utils.manage import ModelManager  # pyright: ignore[reportMissingImports]  # an extra

    _, config, _ = ModelManager(progress_bar=False).download_model(_MODEL)
    return Path(config).parent


if __name__ == "__main__":
    serve(lambda: XttsEngine(sys.argv[1], int(sys.argv[2])))
