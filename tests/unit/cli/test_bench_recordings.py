"""Recordings of benchmarks: a manifest, and samples."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from antiphon.audio.wav import write_wav
from antiphon.cli.bench_recordings import BenchRecording, pcm_of, recordings, samples_of
from antiphon.errors import NotFound
from antiphon.ports.vad import RATE_HZ

MANIFEST = """
[[recordings]]
file = "hello.wav"
text = "hello"

[[recordings]]
file = "rain.wav"
text = ""
language = "de"
"""


def test_a_manifest_lists_recordings_english_by_default(tmp_path: Path) -> None:
    (tmp_path / "recordings.toml").write_text(MANIFEST)
    assert recordings(tmp_path) == (BenchRecording("hello.wav", "hello", "en"), BenchRecording("rain.wav", "", "de"))


def test_a_folder_without_a_manifest_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no recordings\.toml"):
        recordings(tmp_path)


def test_a_manifest_without_a_text_is_refused_by_its_place(tmp_path: Path) -> None:
    (tmp_path / "recordings.toml").write_text('[[recordings]]\nfile = "hello.wav"\n')
    with pytest.raises(msgspec.ValidationError, match=r"recordings\[0\]"):
        recordings(tmp_path)


def test_a_recording_is_read_at_the_rate_of_the_detector(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(write_wav(bytes(2 * 48_000), 48_000))
    assert len(pcm_of(tmp_path / "a.wav")) == pytest.approx(2 * RATE_HZ, abs=64)


def test_a_missing_recording_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no a\.wav"):
        pcm_of(tmp_path / "a.wav")


def test_samples_reach_from_minus_one_to_almost_one() -> None:
    samples = samples_of(np.array([-32_768, 0, 16_384, 32_767], "<i2").tobytes())
    assert samples.dtype == np.float32
    assert samples[:3].tolist() == [-1.0, 0.0, 0.5]
    assert 0.9999 < samples[3] < 1.0
