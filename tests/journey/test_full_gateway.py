"""A gateway with as many connections as it takes: those count whose handshake is still under way."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import websockets

from tests.serving import serving

PATHS = ("/v1/realtime?model=m", "/v1/realtime/translations")


@pytest.mark.parametrize("path", PATHS)
async def test_handshakes_under_way_count_as_connections(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path, max_connections=2) as served:
        sessions, may_begin = served.process.services.shared.sessions, asyncio.Event()
        claim, asked = sessions.claim, 0

        async def slow_claim(*arguments: Any) -> Any:
            nonlocal asked
            asked += 1
            await may_begin.wait()
            return await claim(*arguments)

        monkeypatch.setattr(sessions, "claim", slow_claim)
        opening = [asyncio.create_task(websockets.connect(f"{served.ws}{PATHS[0]}").__aenter__()) for _ in range(2)]
        async with asyncio.timeout(10):
            while asked < 2:
                await asyncio.sleep(0.01)
            with pytest.raises(websockets.InvalidStatus) as refused:
                await websockets.connect(f"{served.ws}{path}").__aenter__()
            assert refused.value.response.status_code == 503
            assert json.loads(refused.value.response.body or b"")["error"]["type"] == "overloaded_error"
            may_begin.set()
            for client in await asyncio.gather(*opening):
                await client.close()
            assert asked == 2
