"""One network for the tests of a file."""

from __future__ import annotations

import pytest

from antiphon.providers.whisper.model import WhisperNetwork
from tests.unit.providers.whisper.stage import weights


@pytest.fixture(scope="module")
def network() -> WhisperNetwork:
    return WhisperNetwork(weights(), threads=1, workers=1)
