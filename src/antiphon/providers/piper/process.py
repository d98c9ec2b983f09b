"""The process of Piper: ``python -m antiphon.providers.piper.process MODEL.onnx THREADS`` (see `hosting.loop`)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from antiphon.audio.stretch import stretch
from antiphon.providers.hosting.frames import AnyRequest, Audio, Ready, Say
from antiphon.providers.hosting.loop import Send, serve
from antiphon.providers.hosting.speed import SpeakingSpeed

_PACE = SpeakingSpeed({0.5: 0.633, 0.667: 0.732, 0.769: 0.846, 1.0: 1.0, 1.333: 1.228, 2.0: 1.71, 4.0: 3.265})
"""Speeds by the model's length scale; below 0.5 it hardly gets faster, as every sound's length is rounded up."""


class PiperEngine:
    """One Piper voice."""

    def __init__(self, model: Path, threads: int) -> None:
        import onnxruntime
        from piper import (  # pyright: ignore[reportMissingImports]  # an extra, not in the development environment
            PiperConfig,
            PiperVoice,
            SynthesisConfig,
        )

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        config = PiperConfig.from_dict(json.loads(model.with_name(f"{model.name}.json").read_bytes()))
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._voice = PiperVoice(session, config)
        self._rate_hz = config.sample_rate
        self._config = SynthesisConfig
        list(self._say("Ready to speak.", 1.0))

    def ready(self) -> Ready:
        """Return the voice's sample rate."""
        return Ready(0, self._rate_hz)

    def answer(self, request: AnyRequest, send: Send) -> None:
        """Speak one sentence in one call of the model, which cannot be interrupted."""
        if not isinstance(request, Say):
            raise TypeError(f"Piper cannot answer {type(request).__name__}")
        for piece in self._say(request.text, request.speed):
            if not send(Audio(request.id, piece)):
                return

    def _say(self, text: str, speed: float) -> Iterator[bytes]:
        length_scale, rest = _PACE.plan(speed)
        for chunk in self._voice.synthesize(text, self._config(length_scale=length_scale)):
            yield stretch(chunk.audio_int16_bytes, self._rate_hz, rest)


if __name__ == "__main__":
    serve(lambda: PiperEngine(Path(sys.argv[1]), int(sys.argv[2])))
