"""Recordings in and answers out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from antiphon.audio.encoder import Encoder
from antiphon.audio.wav import read_wav, write_wav
from antiphon.cli.sound import RATE_HZ, read_recording, save_answer
from antiphon.errors import InvalidRequest

TONE = (np.sin(np.arange(16_000) * 0.1) * 9_000).astype("<i2").tobytes()


def test_a_wav_of_any_rate_is_brought_to_the_rate_of_the_protocol(tmp_path: Path) -> None:
    path = tmp_path / "question.wav"
    path.write_bytes(write_wav(TONE, 16_000))
    assert len(read_recording(path)) == 2 * RATE_HZ


@pytest.mark.parametrize("form", ["mp3", "opus", "flac"])
def test_a_recording_of_another_format_is_decoded(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"question.{form}"
    encoder = Encoder(form, 16_000)
    path.write_bytes(encoder.feed(TONE) + encoder.finish())
    assert len(read_recording(path)) == pytest.approx(2 * RATE_HZ, rel=0.15)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"cannot read .*nothing\.wav: No such file"):
        read_recording(tmp_path / "nothing.wav")


def test_a_file_that_is_no_recording_is_refused(tmp_path: Path) -> None:
    (tmp_path / "question.wav").write_bytes(b"hello" * 100)
    with pytest.raises(InvalidRequest):
        read_recording(tmp_path / "question.wav")


def test_an_answer_is_a_wav_in_a_folder_that_is_made_for_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "reply.wav"
    save_answer(path, TONE)
    wav = read_wav(path.read_bytes())
    assert (wav.data, wav.rate_hz) == (TONE, RATE_HZ)
