"""The official clients work with the server as they are. The two heavy ones run with ``run.py`` by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.clients.environments import clients_here

SCENARIOS = ["connect", "text_turn", "audio_turn", "tool_call", "barge_in", "truncate"]
CLIENTS = [client.name for client in clients_here()]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def results() -> dict[tuple[str, str], dict[str, Any]]:
    """Every client once, all scenarios; the first run on a machine installs the clients."""
    run = Path(__file__).with_name("run.py")
    done = subprocess.run(
        [sys.executable, str(run), "--json", "--jobs", "3", "--only", *CLIENTS],
        capture_output=True,
        text=True,
        timeout=840,
        check=False,
    )
    assert done.stdout.startswith("["), done.stderr
    return {(line["client"], line["scenario"]): line for line in json.loads(done.stdout)}


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("client", CLIENTS)
def test_client_plays_its_scenario(client: str, scenario: str, results: dict[tuple[str, str], dict[str, Any]]) -> None:
    line = results.get((client, scenario))
    assert line, {key: value["detail"] for key, value in results.items() if key[0] == client}
    assert line["ok"], line["detail"]
    if scenario == "barge_in":
        assert "first answer cancelled" in line["detail"]
