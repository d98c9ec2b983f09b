"""The dubbing part: a Socket.IO endpoint in a gateway, and work on fragments elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from antiphon.doors.dubbing.endpoint import DubbingDoor
from antiphon.errors import InvalidRequest
from antiphon.workers.dub import Dubber, EchoDubber
from tests.unit.app.stage import added_by, services_of


async def test_a_gateway_has_one_door_for_sockets_and_polling(tmp_path: Path) -> None:
    async with services_of(tmp_path) as services:
        added = added_by("dubbing", "gateway", services)
    (door,) = added.sockets.values()
    assert isinstance(door, DubbingDoor)
    assert added.requests == added.sockets
    assert sorted(added.tasks) == ["old artifacts", "streams of dubbing"]
    assert (added.drain, added.close) == (door.drain, door.close)
    assert not added.work


@pytest.mark.parametrize(("mode", "kind"), [("full", Dubber), ("echo", EchoDubber)])
async def test_the_mode_decides_who_handles_a_fragment(tmp_path: Path, mode: str, kind: type) -> None:
    async with services_of(tmp_path, dubbing_mode=mode, dub_workers=3) as services:
        (work,) = added_by("dubbing", "dub", services).work
    handler: Any = work.handler
    assert (work.queue, work.slots, type(handler.__self__)) == ("dub", 3, kind)


async def test_a_file_of_voices_that_is_missing_is_refused_by_its_variable(tmp_path: Path) -> None:
    async with services_of(tmp_path, dubbing_voices=tmp_path / "none.json") as services:
        with pytest.raises(InvalidRequest, match=r"none\.json") as refused:
            added_by("dubbing", "gateway", services)
    assert refused.value.param == "ANTIPHON_DUBBING_VOICES"


async def test_a_file_of_voices_is_read_at_the_start(tmp_path: Path) -> None:
    voices = tmp_path / "voices.json"
    voices.write_text(json.dumps({"profiles": 7}))
    async with services_of(tmp_path, dubbing_voices=voices) as services:
        with pytest.raises(InvalidRequest):
            added_by("dubbing", "gateway", services)
