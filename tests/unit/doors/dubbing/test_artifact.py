"""The artifact of a fragment without its original or its result."""

from __future__ import annotations

from antiphon.doors.dubbing.artifact import artifact_of
from antiphon.dubbing.effects import Start
from antiphon.ports.limiter import Account
from antiphon.wire.dubbing_client import FragmentData, parse, take_audio
from antiphon.wire.dubbing_server import FragmentProcessed
from tests.unit.dubbing.stages import fragment


def test_what_is_gone_leaves_no_audio_and_the_original_its_description() -> None:
    described = parse(take_audio(fragment(0))[0], FragmentData)
    start = Start("job_1", described, audio=1, begins_ms=0, timeout_s=1.0)
    result = FragmentProcessed(
        fragment_id="f0", stream_id="s", sequence_number=0, status="failed", processing_time_ms=500
    )
    artifact = artifact_of(start, b"", None, result, Account("t", "key_1"), 100.0)
    assert (artifact.tenant, artifact.owner, artifact.timestamp) == ("t", "key_1", 100_000)
    assert (artifact.original_audio, artifact.dubbed_audio, artifact.transcript) == (None, None, None)
    (original,) = artifact.assets
    assert (original["stream_id"], original["duration_ms"]) == ("s", described.audio.duration_ms)
