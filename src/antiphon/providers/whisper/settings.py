"""Settings of Whisper."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field

from antiphon.ports.settings import Section


class WhisperSettings(Section):
    """Engine `whisper`."""

    whisper_model: Literal["base", "tiny.en"] = Field(
        default="base",
        validation_alias=AliasChoices("WHISPER_MODEL", "ASR_MODEL_SIZE"),
        description="Size of Whisper; for other models set `ANTIPHON_WHISPER_PATH`, which takes precedence.",
    )
    whisper_path: Path | None = Field(
        default=None, description="Folder of a CTranslate2 Whisper model to use instead of the default."
    )
    whisper_device: Literal["cpu", "cuda", "auto"] = Field(
        default="cpu",
        validation_alias=AliasChoices("WHISPER_DEVICE", "ASR_DEVICE"),
        description="Device of Whisper; `auto` is a CUDA device if there is one.",
    )
    whisper_compute_type: Literal["auto", "int8", "float16"] = Field(
        default="auto",
        validation_alias=AliasChoices("WHISPER_COMPUTE_TYPE"),
        description="Number format of Whisper; `auto` is int8 on a CPU and float16 on a CUDA device.",
    )
    whisper_padding_s: float = Field(
        default=3.0, ge=2.0, le=30.0, description="Zeros after a clip decoded in a short window, seconds."
    )
    whisper_usual_language: str = Field(
        default="en",
        description="Language of clips of one or two words without a requested language, unless another is clear.",
    )
