"""``antiphon dub`` against a whole server: what it prints and writes, and what it refuses."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from structlog.testing import capture_logs

from antiphon.audio.media import track_ms, write_track
from antiphon.cli.main import run
from tests.films import make_film
from tests.serving import serving

pytestmark = pytest.mark.usefixtures("stubs")

JFK = Path(__file__).parents[2] / "audio" / "jfk.wav"
QUICK: dict[str, Any] = {"stub_text": "hello", "stub_tts_ms_per_word": 50}


@pytest.fixture(autouse=True)
def _no_logs() -> Iterator[None]:
    """The server runs in this process: what it logs is not what the command prints."""
    with capture_logs():
        yield


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "talk.flac"
    with write_track(path, 8_000, 2) as track:
        track.write((np.sin(np.arange(20_000) * 0.1) * 9_000).astype(np.int16).reshape(-1, 2).repeat(2, axis=0))
    return path


async def dub(*words: object, code: int = 0) -> None:
    """Run the command beside the server."""

    def command() -> None:
        with pytest.raises(SystemExit) as ended:
            run(["dub", *map(str, words)])
        assert ended.value.code == code

    await asyncio.to_thread(command)


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """Run the command without a server and return the one line on stderr."""
    with pytest.raises(SystemExit) as ended:
        run(["dub", *map(str, words)])
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    return line.removeprefix("antiphon: ")


async def test_a_recording_becomes_one_as_long_with_subtitles_and_a_timeline(
    tmp_path: Path, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(tmp_path / "server", **QUICK) as served:
        await dub(recording, "--to", "es", "--url", served.url, "--chunk-ms", "2000")
    names = ["talk.es.en.srt", "talk.es.es.srt", "talk.es.timeline.json", "talk.es.wav", "talk.flac"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == names
    assert track_ms(tmp_path / "talk.es.wav") == 2_500
    said = capsys.readouterr().out
    assert "│ success / partial / failed             │ 2 / 0 / 0" in said
    assert "+0.0 ms of 2.5 s" in said
    assert said.splitlines()[-1].endswith("also talk.es.en.srt, talk.es.es.srt, talk.es.timeline.json")
    timeline = json.loads((tmp_path / "talk.es.timeline.json").read_bytes())
    assert (timeline["source_language"], timeline["target_language"]) == ("en", "es")
    first = timeline["fragments"][0]
    assert (first["status"], first["transcript"], first["translated_text"]) == ("success", "hello", "[es] hello")
    assert first["original_duration_ms"] == first["dubbed_duration_ms"]
    assert "[es] hello" in (tmp_path / "talk.es.es.srt").read_text("utf-8")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
async def test_a_film_keeps_its_picture_and_its_report_is_one_object(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    film = make_film(tmp_path / f"film{suffix}", JFK, seconds=2)
    monkeypatch.setenv("ANTIPHON_API_KEY", "sk-of-the-environment")
    async with serving(tmp_path / "server", **QUICK, api_keys="sk-of-the-environment") as served:
        await dub(film, "--to", "pt-BR", "--from", "en", "--url", served.url, "--json", "--hint", "news")
    said = capsys.readouterr()
    report = json.loads(said.out)
    out = tmp_path / f"film.pt-BR{suffix}"
    assert report["out"] == str(out)
    assert report["summary"]["success"] == report["summary"]["fragments"] == 1
    assert abs(report["summary"]["drift_ms"]) < 100
    assert [Path(path).name for path in report["subtitles"]] == ["film.pt-BR.en.srt", "film.pt-BR.pt-BR.srt"]
    assert f"dubbing film{suffix}: 2 of 2 s" in said.err
    with av.open(out) as dubbed:
        assert [len(dubbed.streams.video), len(dubbed.streams.audio)] == [1, 1]


async def test_of_a_film_the_sound_alone_may_be_wanted(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", JFK, seconds=1)
    async with serving(tmp_path / "server", **QUICK) as served:
        await dub(film, "--to", "es", "--url", served.url, "--out", tmp_path / "new" / "sound.mp3")
    with av.open(tmp_path / "new" / "sound.mp3") as sound:
        assert len(sound.streams.video) == 0
    assert (tmp_path / "new" / "sound.timeline.json").exists()


async def test_where_nothing_could_be_dubbed_the_command_fails_and_says_why(
    tmp_path: Path, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(tmp_path / "server", stub_text="one two three", stub_tts_ms_per_word=5_000) as served:
        await dub(recording, "--to", "es", "--url", served.url, code=1)
    said = capsys.readouterr()
    assert "│ success / partial / failed             │ 0 / 0 / 1" in said.out
    last = said.err.splitlines()[-1]
    assert last.startswith("antiphon: no fragment could be dubbed; the first: tts DURATION_MISMATCH_EXCEEDED")


def test_a_server_that_is_not_there_is_told_with_what_starts_one(
    tmp_path: Path, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        line = refused(capsys, recording, "--to", "es", "--url", f"{url}/")
    assert line.startswith(f"cannot reach {url}: ")
    assert "antiphon serve" in line
    assert [path.name for path in tmp_path.iterdir()] == ["talk.flac"]


@pytest.mark.parametrize(("words", "hint"), [
    (["--to", "es/../x"], "to is 'es/../x'"),
    (["--to", "es", "--from", "english"], "from is 'english'"),
    (["--to", "es", "--keep-original-volume", "1.5"], "keep_original_volume is 1.5; it must be 0 to 1"),
    (["--to", "es", "--max-inflight", "11"], "max_inflight is 11; it must be 1 to 10"),
    (["--to", "es", "--chunk-ms", "50"], "chunk_ms is 50; it must be 1000 to 10000"),
    (["--to", "es", "--out", "talk.xyz"], "choose one of .wav"),
    (["--to", "es", "--out", "talk.mp4"], "no picture"),
])  # fmt: skip
def test_a_wrong_option_is_one_line_before_any_server_is_started(
    recording: Path, capsys: pytest.CaptureFixture[str], words: list[str], hint: str
) -> None:
    assert hint in refused(capsys, recording, *words)


def test_a_recording_is_not_written_over(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = recording.read_bytes()
    assert "is the input file" in refused(capsys, recording, "--to", "es", "--out", recording)
    assert recording.read_bytes() == before


def test_what_has_no_sound_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = make_film(tmp_path / "mute.mp4", None, seconds=1)
    assert "has no sound" in refused(capsys, film, "--to", "es")


def test_without_the_client_the_extra_is_told(
    recording: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    assert "pip install 'antiphon[dub]'" in refused(capsys, recording, "--to", "es")
