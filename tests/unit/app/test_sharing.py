"""A single process shares nothing; a fleet needs Redis."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from antiphon.errors import InvalidRequest
from antiphon.wire.jobs import Job, Speak
from tests.unit.app.stage import services_of


async def test_without_redis_everything_is_in_memory(tmp_path: Path) -> None:
    async with services_of(tmp_path) as services:
        shared = services.shared
        assert (shared.streams, shared.audio, shared.watch_room) == (None, None, None)
        assert shared.has_room()
        assert shared.checks() == {}
        await shared.bus.submit(Job("a", "speak", Speak("hi"), "out"))
        assert await shared.depth("speak") == 1
        assert await shared.depth("respond") == 0


async def test_a_mirror_without_redis_is_refused_by_its_variable(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="ANTIPHON_REDIS_URL") as refused:
        async with services_of(tmp_path, redis_mirror=True):
            pass
    assert refused.value.param == "ANTIPHON_REDIS_MIRROR"


async def test_without_the_redis_client_the_extra_to_install_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "antiphon.app.over_redis", None)
    with pytest.raises(InvalidRequest, match=r"antiphon\[fleet\]") as refused:
        async with services_of(tmp_path, redis_url="redis://127.0.0.1:9"):
            pass
    assert refused.value.param == "ANTIPHON_REDIS_URL"
