"""The official JavaScript client of Socket.IO carries a stream through the dubbing door, in both ways to connect."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from tests.clients.environments import DUBBING_JS, cache_dir, command, prepare
from tests.dubbing import dubbing
from tests.serving import AUDIO

TRANSPORTS = {"default": "polling, websocket", "websocket": "websocket"}
"""Each way to connect, and the transports that it had."""
CLOSE_S = 0.1

pytestmark = [
    pytest.mark.slow,  # the first run on a machine installs the client
    pytest.mark.skipif(not shutil.which("node") or not shutil.which("npm"), reason="needs Node"),
]


async def test_a_worker_in_node_carries_a_whole_stream_in_both_ways_to_connect(tmp_path: Path) -> None:
    home = await asyncio.to_thread(prepare, DUBBING_JS, cache_dir())
    scratch = tmp_path / "client"
    scratch.mkdir()
    async with dubbing(tmp_path / "data", dubbing_close_s=CLOSE_S) as door, asyncio.timeout(100):
        process = await asyncio.create_subprocess_exec(
            *command(DUBBING_JS, home, scratch),
            *("--url", door.url, "--key", "none", "--audio", str(AUDIO / "spk2_snt2.wav")),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, errors = await process.communicate()
    lines = [json.loads(line) for line in said.decode().splitlines()]
    assert {line["scenario"]: (line["ok"], line["detail"]) for line in lines} == {
        name: (True, f"{transports}; 3 fragments; io server disconnect") for name, transports in TRANSPORTS.items()
    }, errors.decode()
    assert {line["version"] for line in lines} == {"4.8.4"}
