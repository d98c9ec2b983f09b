"""XTTS v2: neural voices in 17 languages, its own speakers and copies of a recorded voice; needs a GPU.

The library is coqui-tts (MPL-2.0); the model's licence forbids commercial use. It runs in a process of its own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from antiphon.entities.capabilities import Capabilities, Voice
from antiphon.entities.speech import SpeechChunk
from antiphon.errors import WeightsMissing
from antiphon.ports.engine import EngineContext
from antiphon.ports.tts import SpeakOptions
from antiphon.providers.hosting.child_process import ChildProcess
from antiphon.providers.hosting.child_voice import ChildVoice
from antiphon.providers.xtts.process import DEFAULT_SPEAKER, FROM_HUB, LANGUAGES
from antiphon.providers.xtts.samples import VoiceSamples
from antiphon.providers.xtts.settings import XttsSettings

_FILES = ("config.json", "model.pth", "vocab.json", "speakers_xtts.pth")
_LOADING_S = 900.0
"""Each start reads 1.9 GB; the first one downloads them."""


def create(context: EngineContext) -> XttsTts:
    """Entry point of the ``xtts`` engine. Raises `WeightsMissing`."""
    return XttsTts(_folder(context), context)


class XttsTts(ChildVoice):
    """A voice is a speaker of the model, or a recording in the folder of samples."""

    def __init__(self, folder: str, context: EngineContext) -> None:
        settings = context.section(XttsSettings)
        self._samples = VoiceSamples(settings.xtts_samples or context.data_dir / "voices", settings.xtts_speaker_wav)
        process = ChildProcess(
            "xtts",
            "antiphon.providers.xtts.process",
            needs="TTS",
            arguments=[folder, str(context.threads)],
            timeout_s=context.timeout_s,
            loading_s=max(_LOADING_S, context.timeout_s),
        )
        super().__init__(process)

    @property
    def capabilities(self) -> Capabilities:
        """The model's speakers, once started; each speaks all of its languages."""
        found = self._about.voices if self._about else ((DEFAULT_SPEAKER, "en", "XTTS"),)
        return Capabilities("xtts", ("xtts-v2",), tuple(Voice(*one) for one in found), LANGUAGES, streams=True)

    async def synthesize(self, text: str, options: SpeakOptions) -> AsyncGenerator[SpeechChunk]:
        """Yield the pieces of one sentence after the other, as the model makes them."""
        voice = await asyncio.to_thread(self._samples.voice, options.voice)
        async with aclosing(super().synthesize(text, replace(options, voice=voice))) as chunks:
            async for chunk in chunks:
                yield chunk


def _folder(context: EngineContext) -> str:
    """Return the folder of the model, or `FROM_HUB` to download it. Raises `WeightsMissing`."""
    path = context.section(XttsSettings).xtts_path
    if path is not None:
        missing = [name for name in _FILES if not (path / name).is_file()]
        if missing:
            raise WeightsMissing(f"{path} is not a folder of XTTS v2: it holds no {', '.join(missing)}")
        return str(path)
    if context.offline:
        raise WeightsMissing(
            "XTTS v2 is missing and downloads are disabled: set ANTIPHON_XTTS_PATH to a folder that holds it"
        )
    if os.environ.get("COQUI_TOS_AGREED") != "1":
        raise WeightsMissing(
            "the licence of XTTS v2 forbids commercial use (https://tts-hub.github.io/cpml): set COQUI_TOS_AGREED=1 "
            "to accept it, or ANTIPHON_XTTS_PATH to a folder that holds the model"
        )
    return FROM_HUB
