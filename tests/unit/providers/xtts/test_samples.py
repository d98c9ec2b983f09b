from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from antiphon.dubbing.voices import parse_voices
from antiphon.providers.xtts.samples import VoiceSamples, fault_of
from tests.unit.providers.xtts.stage import sample


def test_the_sample_that_comes_with_the_project_can_be_imitated() -> None:
    folder = Path(__file__).parents[4] / "examples" / "voices"
    for profile in parse_voices((folder / "voices.json").read_bytes()).profiles.values():
        if profile.sample:
            assert VoiceSamples(folder, None).voice(profile.sample) == str(folder / profile.sample)
            assert fault_of(folder / profile.sample) is None


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({"seconds": 3.0}, None),
        ({"seconds": 30.0, "rate_hz": 48_000}, None),
        ({"seconds": 2.9}, "2.9 s long; it must be 3 to 30 s"),
        ({"seconds": 30.1}, "it must be 3 to 30 s"),
        ({"rate_hz": 8_000}, "1 channels at 8000 Hz; it must be mono at 16000 Hz or more"),
    ],
)
def test_a_recording_is_mono_of_16_khz_and_3_to_30_s_long(
    tmp_path: Path, content: dict[str, Any], fault: str | None
) -> None:
    found = fault_of(sample(tmp_path / "a.wav", **content))
    assert found is None if fault is None else fault in str(found)


@pytest.mark.parametrize("data", [b"", b"RIFF", b"no sound at all", None])
def test_what_is_no_recording_is_a_fault(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "a.wav"
    if data is not None:
        path.write_bytes(data)
    assert "not a readable WAV file" in str(fault_of(path))


def test_a_recording_that_is_shorter_than_its_header_says_is_a_fault(tmp_path: Path) -> None:
    path = sample(tmp_path / "a.wav", seconds=10.0)
    path.write_bytes(path.read_bytes()[:40_000])
    assert "1.2 s long" in str(fault_of(path))


@pytest.mark.parametrize("wanted", ["../secret.wav", "{root}/secret.wav", "link.wav", "x/../../secret.wav"])
def test_no_name_of_a_voice_opens_a_file_outside_of_the_samples(tmp_path: Path, wanted: str) -> None:
    secret = sample(tmp_path / "secret.wav")
    (tmp_path / "voices").mkdir()
    (tmp_path / "voices" / "link.wav").symlink_to(secret)
    with capture_logs() as logs:
        assert VoiceSamples(tmp_path / "voices", None).voice(wanted.format(root=tmp_path)) == ""
    assert logs[0]["reason"] == "not in the folder of samples"


@pytest.mark.parametrize("wanted", ["Ana Florence", "alloy", "anna.mp3"])
def test_other_names_are_names_of_speakers(tmp_path: Path, wanted: str) -> None:
    assert VoiceSamples(tmp_path, None).voice(wanted) == wanted


@pytest.mark.parametrize("wanted", ["", "default"])
def test_the_default_is_a_recording_anywhere_or_the_default_speaker(tmp_path: Path, wanted: str) -> None:
    path = sample(tmp_path / "elsewhere" / "me.wav")
    assert VoiceSamples(tmp_path / "voices", path).voice(wanted) == str(path)
    assert VoiceSamples(tmp_path / "voices", None).voice(wanted) == wanted, "no speaker has this name"


def test_a_recording_in_the_folder_is_found_also_by_its_path(tmp_path: Path) -> None:
    path = sample(tmp_path / "voices" / "people" / "Anna.WAV")
    samples = VoiceSamples(tmp_path / "voices", None)
    assert samples.voice("people/Anna.WAV") == samples.voice(str(path)) == str(path)


def test_a_recording_that_cannot_be_used_is_logged_with_the_reason(tmp_path: Path) -> None:
    path = sample(tmp_path / "short.wav", seconds=1.0)
    with capture_logs() as logs:
        assert VoiceSamples(tmp_path, None).voice("short.wav") == ""
    assert logs == [
        {
            "event": "voice sample invalid, default speaker used",
            "log_level": "warning",
            "path": str(path),
            "reason": "1.0 s long; it must be 3 to 30 s",
        }
    ]
