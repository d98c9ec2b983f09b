"""Recordings whose language changes: what counts as found, missing and not recognised."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from antiphon.app.settings import Settings
from antiphon.cli import bench_switch
from antiphon.cli.bench_recordings import manifest
from antiphon.cli.bench_switch import (
    Found,
    SwitchManifest,
    SwitchRow,
    joined,
    longest_hole_s,
    run,
    speech_s,
    unrecognised,
    words_found,
)
from antiphon.entities.speech import Segment
from antiphon.errors import NotFound

AUDIO = Path(__file__).parents[2] / "audio"
VOICE = [0.9] * 125 + [0.1] * 125 + [0.9] * 125
"""Four seconds of speech, four of silence, four of speech."""


def test_words_are_found_in_their_order() -> None:
    said = ["the", "child", "almost", "hurt", "the", "small", "dog"]
    assert words_found(said, said) == 7
    assert words_found(said, ["well", "the", "child", "hurt", "a", "small", "small", "dog"]) == 5
    assert words_found(said, ["dog", "child"]) == 1
    assert words_found(said, []) == words_found([], said) == 0


def test_only_speech_counts() -> None:
    assert speech_s(VOICE, 0.0, 12.0) == pytest.approx(8.0)
    assert speech_s(VOICE, 3.0, 9.0) == pytest.approx(2.0, abs=0.04)


def test_a_hole_is_the_speech_between_two_words_and_at_both_ends() -> None:
    assert longest_hole_s([(0.0, 0.4), (3.6, 4.0), (8.0, 8.4), (8.4, 12.0)], VOICE) == pytest.approx(3.2, abs=0.1)
    assert longest_hole_s([(0.0, 1.0), (1.0, 2.0), (2.0, 9.0), (9.0, 10.0), (11.0, 12.0)], VOICE) == pytest.approx(
        2.0, abs=0.1
    ), "a word is no longer than a second"
    assert longest_hole_s([], VOICE) == pytest.approx(8.0)


def test_what_is_not_recognised_is_a_share_of_the_speech() -> None:
    assert unrecognised([Segment("a", 0.0, 4.0), Segment("", 6.0, 10.0)], VOICE) == pytest.approx(0.25, abs=0.01)
    assert unrecognised([], VOICE) == unrecognised([], []) == 0


def test_the_recordings_of_the_manifest_are_there_and_in_more_than_one_language() -> None:
    for recording in manifest(AUDIO, bench_switch.MANIFEST, SwitchManifest).recordings:
        assert len({part.language for part in recording.parts}) == 2
        assert all((AUDIO / file).is_file() for file in recording.files)
    two = joined(AUDIO, ("spk2_snt2.wav", "spk2_snt4.wav"))
    assert len(two) == sum(len(joined(AUDIO, (file,))) for file in ("spk2_snt2.wav", "spk2_snt4.wav")) + 16_000


def test_a_recording_is_a_line_and_its_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = SwitchRow("one.mp3", 50.4, 0.22, 0.012, 17.3, 24.6, (Found("de", 56, 49, 51, 58, 57),), "Ja. Nein.")

    def measured(folder: Path, settings: Settings) -> list[SwitchRow]:
        return [row]

    monkeypatch.setattr(bench_switch, "measure", measured)
    run(AUDIO, json_out=False)
    told = capsys.readouterr().out
    assert "de: 49 words of 56 found, 51 padded; 58 written, 57 padded" in told
    assert "one.mp3: Ja. Nein." in told
    run(AUDIO, json_out=True)
    assert msgspec.json.decode(capsys.readouterr().out, type=list[SwitchRow]) == [row]


def test_without_a_manifest_it_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no switch\.toml"):
        run(tmp_path, json_out=True)
