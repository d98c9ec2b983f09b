"""Translates the errors of onnxruntime into ours."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module

from antiphon.errors import ProviderUnavailable


@contextmanager
def onnx_errors(engine: str) -> Generator[None]:
    """Raise `ProviderUnavailable` for every error of onnxruntime in the block."""
    state = import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    # they have no common base class but Exception
    kinds = tuple(one for one in vars(state).values() if isinstance(one, type) and issubclass(one, Exception))
    try:
        yield
    except kinds as exc:
        raise ProviderUnavailable(f"the model of {engine} failed", detail=str(exc)) from exc
