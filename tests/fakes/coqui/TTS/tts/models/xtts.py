"""XTTS with a tone for a voice: 0.3 s a word, in pieces of a tenth of a second.

Signatures are those of coqui-tts 0.28. What is asked for is written to the file that ``COQUI_FAKE_LOG`` names, one
JSON object a line. The word "crash" ends the process, "broken" is refused as the tokenizer refuses what is too long.
"""

from __future__ import annotations

import json
import os
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor
from TTS.tts.configs.xtts_config import XttsConfig

RATE_HZ = 24_000
PIECE = 2_400


class SpeakerManager:
    def __init__(self, speaker_file_path: str | os.PathLike[str]) -> None:
        names = json.loads(Path(speaker_file_path).read_text("utf-8"))
        self.speakers = {name: {"gpt_cond_latent": name, "speaker_embedding": f"{name}'s"} for name in names}


class VoiceBpeTokenizer:
    char_limits: ClassVar = {"en": 250, "es": 239, "pt": 203, "zh": 82, "ja": 71}


class Xtts:
    def __init__(self, config: XttsConfig) -> None:
        self.config = config
        self.tokenizer = VoiceBpeTokenizer()

    def load_checkpoint(
        self,
        config: XttsConfig,
        checkpoint_dir: str | os.PathLike[str] | None = None,
        checkpoint_path: str | os.PathLike[str] | None = None,
        vocab_path: str | os.PathLike[str] | None = None,
        eval: bool = True,  # noqa: A002 - the real one's name
        strict: bool = True,
        use_deepspeed: bool = False,
        speaker_file_path: str | os.PathLike[str] | None = None,
    ) -> None:
        assert checkpoint_dir is not None
        folder = Path(checkpoint_dir)
        if (folder / "model.pth").read_bytes() != b"weights":
            raise RuntimeError("PytorchStreamReader failed reading zip archive")
        self.speaker_manager = SpeakerManager(folder / "speakers_xtts.pth")

    def get_conditioning_latents(
        self,
        audio_path: str | os.PathLike[str] | list[str | os.PathLike[str]],
        max_ref_length: int = 30,
        gpt_cond_len: int = 6,
        gpt_cond_chunk_len: int = 6,
        librosa_trim_db: int | None = None,
        sound_norm_refs: bool = False,
        load_sr: int = 22_050,
    ) -> tuple[Any, Any]:
        assert isinstance(audio_path, list)
        (path,) = audio_path
        with wave.open(str(path), "rb") as file:
            assert file.getnframes() > 0
        note(heard=str(path))
        return f"latents of {path}", f"embedding of {path}"

    def inference_stream(
        self,
        text: str,
        language: str,
        gpt_cond_latent: Any,
        speaker_embedding: Any,
        stream_chunk_size: int = 20,
        overlap_wav_len: int = 1_024,
        temperature: float = 0.75,
        length_penalty: float = 1.0,
        repetition_penalty: float = 10.0,
        top_k: int = 50,
        top_p: float = 0.85,
        do_sample: bool = True,
        speed: float = 1.0,
        enable_text_splitting: bool = False,
        **hf_generate_kwargs: Any,
    ) -> Iterator[Tensor]:
        assert len(text) <= self.tokenizer.char_limits.get(language, 150)
        assert not hf_generate_kwargs
        note(text=text, language=language, latents=gpt_cond_latent, embedding=speaker_embedding, speed=speed)
        if "crash" in text:
            os._exit(3)
        assert "broken" not in text, " ❗ XTTS can only generate text with a maximum of 400 tokens."
        samples = round(max(len(text.split()), 1) * 0.3 * RATE_HZ / speed)
        tone = (np.sin(np.arange(samples) * (880 * np.pi / RATE_HZ)) * 0.2).astype(np.float32)
        try:
            for start in range(0, samples, PIECE):
                yield Tensor(tone[start : start + PIECE])
        except GeneratorExit:
            note(stopped=text)
            raise


def note(**fields: Any) -> None:
    path = os.environ.get("COQUI_FAKE_LOG")
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(fields) + "\n")
