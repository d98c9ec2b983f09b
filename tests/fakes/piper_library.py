"""Piper with a tone for a voice: 0.1 s a character at a length scale of 1.

Names and signatures are those of piper-tts 1.3. What is asked for is kept in ``ASKED``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

ASKED: list[tuple[str, float | None]] = []


@dataclass
class PiperConfig:
    sample_rate: int

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> Self:
        return cls(config["audio"]["sample_rate"])


@dataclass
class SynthesisConfig:
    length_scale: float | None = None


@dataclass
class AudioChunk:
    audio_int16_bytes: bytes


class Session:
    """In place of a network of onnxruntime."""

    def __init__(self, path: str, options: Any, providers: Sequence[str]) -> None:
        self.path, self.providers = path, providers
        self.threads = (options.intra_op_num_threads, options.inter_op_num_threads)


SESSIONS: list[Session] = []


@dataclass
class PiperVoice:
    session: Session
    config: PiperConfig

    def synthesize(self, text: str, syn_config: SynthesisConfig | None = None) -> Iterator[AudioChunk]:
        scale = syn_config.length_scale if syn_config else None
        ASKED.append((text, scale))
        SESSIONS.append(self.session)
        for sentence in text.split("|"):
            samples = round(0.1 * len(sentence) * (scale or 1.0) * self.config.sample_rate)
            yield AudioChunk((8_000 * np.sin(np.arange(samples) / 8)).astype("<i2").tobytes())
