"""Errors of onnxruntime become errors of the engine; others stay as they are."""

from __future__ import annotations

import pytest

from antiphon.errors import ProviderUnavailable
from antiphon.providers.hosting.onnx_errors import onnx_errors


def test_an_error_of_the_library_names_the_engine_and_keeps_its_text_for_the_log() -> None:
    import onnxruntime

    with pytest.raises(ProviderUnavailable) as failed, onnx_errors("silero"):
        onnxruntime.InferenceSession(b"no model", providers=["CPUExecutionProvider"])
    assert failed.value.message == "the model of silero failed"
    assert "model" in failed.value.detail
    assert type(failed.value.__cause__).__module__.startswith("onnxruntime")


@pytest.mark.parametrize("error", [ValueError("ours"), ProviderUnavailable("closed"), KeyboardInterrupt()])
def test_another_error_passes_through(error: BaseException) -> None:
    with pytest.raises(type(error)) as passed, onnx_errors("silero"):
        raise error
    assert passed.value is error


def test_without_an_error_nothing_is_raised() -> None:
    with onnx_errors("silero"):
        done = True
    assert done
