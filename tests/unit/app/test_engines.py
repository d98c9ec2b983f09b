"""The engines of a process end together, whatever one of them does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from antiphon.app import engines as module
from antiphon.app.engines import make_engines
from antiphon.app.settings import load_settings
from antiphon.providers.stub.llm import StubLlm
from antiphon.providers.stub.stt import StubStt
from antiphon.providers.stub.tts import StubTts
from tests.serving import STUBS


async def test_an_engine_that_fails_to_close_or_never_does_keeps_no_other_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []

    async def fail(_: object) -> None:
        raise OSError("as planned")

    async def hang(_: object) -> None:
        await asyncio.sleep(60)

    async def close(_: object) -> None:
        closed.append("tts")

    monkeypatch.setattr(module, "_CLOSE_S", 0.05)
    monkeypatch.setattr(StubStt, "close", fail)
    monkeypatch.setattr(StubLlm, "close", hang)
    monkeypatch.setattr(StubTts, "close", close)
    engines = make_engines(load_settings(**STUBS, data_dir=tmp_path))
    for kind in module.KINDS:
        engines.of(kind)
    with capture_logs() as lines:
        await engines.close()
    assert closed == ["tts"]
    told = {(line["kind"], line["error"]) for line in lines if line["event"] == "engine close failed"}
    assert told == {("stt", "OSError"), ("llm", "TimeoutError")}
