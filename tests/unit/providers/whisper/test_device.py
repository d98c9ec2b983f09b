"""Where Whisper computes: what is asked for, or a refusal that names the variable."""

from __future__ import annotations

from pathlib import Path

import ctranslate2
import pytest

from antiphon.errors import InvalidRequest
from antiphon.ports.engine import EngineContext
from antiphon.providers.whisper.device import chosen_device
from antiphon.providers.whisper.stt import create


def context(device: str = "cpu", compute_type: str = "auto") -> EngineContext:
    settings = {"whisper_device": device, "whisper_compute_type": compute_type}
    return EngineContext(Path("nowhere"), settings=settings, variables={"whisper_compute_type": "WHISPER_COMPUTE_TYPE"})


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a CUDA device."""
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 1)
    monkeypatch.setattr(ctranslate2, "get_supported_compute_types", lambda _device: {"int8", "float16", "float32"})


@pytest.fixture
def no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without."""
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 0)
    monkeypatch.setattr(ctranslate2, "get_supported_compute_types", lambda _device: {"int8", "float32"})


@pytest.mark.usefixtures("no_cuda")
@pytest.mark.parametrize("device", ["cpu", "auto"])
@pytest.mark.parametrize("compute_type", ["auto", "int8"])
def test_without_a_cuda_device_it_is_int8_on_the_cpu(device: str, compute_type: str) -> None:
    assert chosen_device(context(device, compute_type)) == ("cpu", "int8")


@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize(("device", "compute_type", "expected"), [
    ("auto", "auto", ("cuda", "float16")),
    ("cuda", "auto", ("cuda", "float16")),
    ("cuda", "int8", ("cuda", "int8")),
    ("cpu", "auto", ("cpu", "int8")),
])  # fmt: skip
def test_a_cuda_device_is_used_where_it_is_wanted(device: str, compute_type: str, expected: tuple[str, str]) -> None:
    assert chosen_device(context(device, compute_type)) == expected


@pytest.mark.usefixtures("no_cuda")
@pytest.mark.parametrize(("device", "compute_type", "variable"), [
    ("cuda", "auto", "ANTIPHON_WHISPER_DEVICE"),
    ("cpu", "float16", "WHISPER_COMPUTE_TYPE"),
    ("auto", "float16", "WHISPER_COMPUTE_TYPE"),
])  # fmt: skip
async def test_what_is_not_here_is_refused_at_the_start_by_its_variable(
    device: str, compute_type: str, variable: str, tmp_path: Path
) -> None:
    wanted = context(device, compute_type)
    engine = create(
        EngineContext(tmp_path, settings={**wanted.settings, "whisper_path": tmp_path}, variables=wanted.variables)
    )
    with pytest.raises(InvalidRequest, match=variable) as refused:
        await engine.start()
    assert refused.value.param == variable
    await engine.close()
