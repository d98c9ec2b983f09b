"""XTTS v2: neural voices in 17 languages, its own speakers and those of a short recording; wants a GPU.

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
from antiphon.providers.xtts.samples import Samples
from antiphon.providers.xtts.settings import XttsSettings

_FILES = ("config.json", "model.pth", "vocab.json", "speakers_xtts.pth")
_LOADING_S = 900.0
"""1.9 GB are read at each start, and fetched at the first one."""


def create(context: EngineContext) -> XttsTts:
    """Entry point of the ``xtts`` engine. Raises `WeightsMissing`."""
    return XttsTts(_folder(context), context)


class XttsTts(ChildVoice):
    """A voice is a speaker of the model, or a recording in the folder of samples."""

    def __init__(self, folder: str, context: EngineContext) -> None:
        settings = context.section(XttsSettings)
        self._samples = Samples(settings.xtts_samples or context.data_dir / "voices", settings.xtts_speaker_wav)
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
        """The model's speakers once it is started; each speaks all of its languages."""
        found = self._about.voices if self._about else ((DEFAULT_SPEAKER, "en", "XTTS"),)
        return Capabilities("xtts", ("xtts-v2",), tuple(Voice(*one) for one in found), LANGUAGES, streams=True)

    async def synthesize(self, text: str, options: SpeakOptions) -> AsyncGenerator[SpeechChunk]:
        """Yield the pieces of one sentence after the other, as the model makes them."""
        voice = await asyncio.to_thread(self._samples.voice, options.voice)
        async with aclosing(super().synthesize(text, replace(options, voice=voice))) as chunks:
            async for chunk in chunks:
                yield chunk


def _folder(context: EngineContext) -> str:
    """Return the folder of the model, `FROM_HUB` where it is to be fetched. Raises `WeightsMissing`."""
    path = context.section(XttsSettings).xtts_path
    if path is not None:
        missing = [name for name in _FILES if not (path / name).is_file()]
        if missing:
            raise WeightsMissing(f"{path} is no folder of XTTS v2: it holds no {', '.join(missing)}")
        return str(path)
    if context.offline:
        raise WeightsMissing(
            "XTTS v2 is not here and nothing may be downloaded: set ANTIPHON_XTTS_PATH to a folder that holds it"
        )
    if os.environ.get("COQUI_TOS_AGREED") != "1":
        raise WeightsMissing(
            "XTTS v2 has a licence to agree to, which forbids commercial use (https://tts-hub.github.io/cpml): "
            "set COQUI_TOS_AGREED=1 if you do, or ANTIPHON_XTTS_PATH to a folder that holds the model"
        )
    return FROM_HUB
