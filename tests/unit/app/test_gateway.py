"""The limits and services that the endpoints of a gateway share."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.app.gateway import Gateway
from tests.unit.app.stage import services_of


async def test_audio_without_room_in_memory_goes_to_the_data_directory(tmp_path: Path) -> None:
    async with services_of(tmp_path) as services:
        assert services.once(Gateway).limits.spill_dir == tmp_path


async def test_limits_are_those_of_the_settings(tmp_path: Path) -> None:
    async with services_of(tmp_path, realtime_max_frame_bytes=5, realtime_stall_s=7.0, limit_events_per_s=9) as made:
        limits = Gateway(made).limits
    assert (limits.max_frame_bytes, limits.stall_s, limits.events_per_s) == (5, 7.0, 9)


@pytest.mark.parametrize(("configured", "effective"), [(0.25, 0.25), (1.5, 1.5), (4.0, 1.5)])
async def test_the_default_speed_of_a_session_is_one_that_its_protocol_accepts(
    tmp_path: Path, configured: float, effective: float
) -> None:
    async with services_of(tmp_path, speech_speed=configured) as services:
        assert Gateway(services).defaults.speed == effective


async def test_a_conversation_fails_a_job_after_its_engine_has_timed_out(tmp_path: Path) -> None:
    async with services_of(tmp_path, provider_timeout_s=10.0) as services:
        assert Gateway(services).rules.job_timeout_s == 15.0


async def test_names_of_image_hosts_are_compared_in_lower_case(tmp_path: Path) -> None:
    async with services_of(tmp_path, realtime_image_hosts="Images.Example,cdn.example") as services:
        assert Gateway(services).rules.image_hosts == ("images.example", "cdn.example")


async def test_open_connections_are_drained_with_the_process(tmp_path: Path) -> None:
    async with services_of(tmp_path) as services:
        connections = Gateway(services).connections
        assert services.lifetime.drains == [connections.drain]


async def test_components_are_healthy_in_a_single_process_without_redis(tmp_path: Path) -> None:
    async with services_of(tmp_path) as services:
        assert Gateway(services).components() == {"redis": True, "database": True}
        assert "room for sessions" not in services.lifetime.tasks
