"""The device and the compute type of Whisper."""

from __future__ import annotations

from typing import Literal

import ctranslate2

from antiphon.errors import InvalidRequest
from antiphon.ports.engine import EngineContext
from antiphon.providers.whisper.settings import WhisperSettings

ComputeType = Literal["int8", "float16"]


def chosen_device(context: EngineContext) -> tuple[str, ComputeType]:
    """Return ``cpu`` or ``cuda`` and the compute type, from ``whisper_device`` and ``whisper_compute_type``.

    Raises `InvalidRequest`, which names the variable, for a choice that this machine does not support.
    """
    settings = context.section(WhisperSettings)
    wanted, compute_type = settings.whisper_device, settings.whisper_compute_type
    has_cuda = ctranslate2.get_cuda_device_count() > 0
    if wanted == "cuda" and not has_cuda:
        variable = context.variable("whisper_device")
        raise InvalidRequest(
            f"{variable} is 'cuda', and no CUDA device is found: set it to cpu or auto", param=variable
        )
    device = "cuda" if has_cuda and wanted != "cpu" else "cpu"
    usual: ComputeType = "float16" if device == "cuda" else "int8"
    if compute_type in ("auto", usual):
        return device, usual
    if compute_type not in ctranslate2.get_supported_compute_types(device):
        variable = context.variable("whisper_compute_type")
        raise InvalidRequest(
            f"{variable} is '{compute_type}', which Whisper cannot use on this {device}: set it to {usual} or auto",
            param=variable,
        )
    return device, compute_type
