"""The connection of ``antiphon dub``: to the server that was named and to no other."""

from __future__ import annotations

import pytest

from antiphon.cli.dub_client import DubbingClient
from antiphon.errors import ProviderUnavailable
from antiphon.wire.dubbing_client import StreamConfig, StreamInit
from tests.fakes.loopback import redirecting

INIT = StreamInit(
    stream_id="stream",
    worker_id="worker",
    config=StreamConfig(
        source_language="en",
        target_language="es",
        voice_profile="default",
        chunk_duration_ms=1_000,
        sample_rate_hz=16_000,
        channels=1,
        format="pcm_s16le",
    ),
)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_neither_key_nor_recording_follow_a_redirect(status: int) -> None:
    async with redirecting(status) as (address, led):
        link = DubbingClient(address, "sk-key")
        try:
            with pytest.raises(ProviderUnavailable, match="cannot reach"):
                await link.open(INIT)
        finally:
            await link.close()
    assert led == []
