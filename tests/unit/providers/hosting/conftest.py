"""Child processes of these tests find the scripted engine, and this checkout."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from antiphon.providers.hosting.child_process import ChildProcess
from tests.unit.providers.hosting.stage import ROOT, process


@pytest.fixture(autouse=True)
def _engine_can_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)


@pytest.fixture
async def child() -> AsyncIterator[ChildProcess]:
    made = process()
    yield made
    await made.close()
