"""``antiphon talk`` against a whole server."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from antiphon.audio.wav import read_wav, write_wav
from antiphon.cli import conversation
from antiphon.cli.main import run
from antiphon.cli.sound import RATE_HZ
from tests.serving import serving

pytestmark = pytest.mark.usefixtures("stubs")

TONE = (np.sin(np.arange(RATE_HZ // 2) * 0.1) * 9_000).astype("<i2").tobytes()
QUICK: dict[str, Any] = {"stub_llm_words": 3, "stub_tts_ms_per_word": 50}


@pytest.fixture(autouse=True)
def _no_logs() -> Iterator[None]:
    """The server runs in this process: what it logs is not what the command prints."""
    with capture_logs():
        yield


@pytest.fixture
def question(tmp_path: Path) -> Path:
    path = tmp_path / "question.wav"
    path.write_bytes(write_wav(TONE, RATE_HZ))
    return path


async def talk(*words: object, code: int = 0) -> None:
    """Run the command beside the server."""

    def command() -> None:
        with pytest.raises(SystemExit) as ended:
            run(["talk", *map(str, words)])
        assert ended.value.code == code

    await asyncio.to_thread(command)


async def test_what_was_heard_and_answered_is_printed_and_the_answer_is_kept(
    tmp_path: Path, question: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "answers" / "reply.wav"
    async with serving(tmp_path, **QUICK) as served:
        await talk(question, "--url", served.url, "--out", out)
    said = capsys.readouterr().out
    assert said.startswith("you:    hello from the stub\nanswer: This is the")
    wav = read_wav(out.read_bytes())
    assert (wav.rate_hz, len(wav.data)) == (RATE_HZ, int(3 * 0.05 * RATE_HZ) * 2)
    assert out.with_suffix(".txt").read_text() == "This is the\n"
    for stage in ("turn ended", "transcript", "first word", "first sound", "answer complete"):
        assert f"│ {stage}" in said
    assert "(0.1 s)" in said or "(0.2 s)" in said


async def test_as_json_the_answer_is_one_object_and_everything_else_goes_to_stderr(
    tmp_path: Path, question: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTIPHON_API_KEY", "sk-of-the-environment")
    out = tmp_path / "reply.wav"
    async with serving(tmp_path, api_keys="sk-of-the-environment", **QUICK) as served:
        wishes = ("--voice", "alto", "--instructions", "Be brief.", "--model", "mine")
        await talk(question, "--url", f"{served.url}/", "--out", out, "--json", *wishes)
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert (report["transcript"], report["answer"], report["out"]) == ("hello from the stub", "This is the", str(out))
    assert report["audio_s"] == 0.15
    latency = report["latency_ms"]
    assert 0 < latency["turn ended"] <= latency["first word"] <= latency["answer complete"]
    assert "you:    hello from the stub" in said.err


async def test_a_server_that_is_not_there_is_told_with_what_starts_one(
    tmp_path: Path, question: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        await talk(question, "--url", url, "--out", tmp_path / "reply.wav", code=1)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"antiphon: cannot reach {url}: ")
    assert "antiphon serve" in line
    assert not (tmp_path / "reply.wav").exists()


async def test_a_key_that_the_server_does_not_know_is_told(
    tmp_path: Path, question: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(tmp_path, api_keys="sk-right-0123456789abc") as served:
        await talk(question, "--url", served.url, "--api-key", "sk-wrong", code=1)
    (line,) = capsys.readouterr().err.splitlines()
    assert "refused the connection" in line
    assert "authentication_error" in line


async def test_silence_gets_no_answer_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "TIMEOUT_S", 1.0)
    path = tmp_path / "silence.wav"
    path.write_bytes(write_wav(bytes(4_800), RATE_HZ))
    async with serving(tmp_path) as served:
        await talk(path, "--url", served.url, code=1)
    assert "did not complete its answer within 1 s" in capsys.readouterr().err


async def test_an_answer_that_fails_says_why(
    tmp_path: Path, question: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        async with serving(
            tmp_path, llm="openai", openai_base_url=url, openai_api_key="sk-none", realtime_apology=""
        ) as served:
            await talk(question, "--url", served.url, "--out", tmp_path / "reply.wav", code=1)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("antiphon: the server answered with an error: ")


async def test_a_server_that_goes_away_is_told(
    tmp_path: Path, question: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(tmp_path, drain_s=0, stub_llm_wps=1) as served:
        talking = asyncio.create_task(talk(question, "--url", served.url, code=1))
        await asyncio.sleep(1.0)
        served.stop.set()
        await talking
    assert "closed the connection" in capsys.readouterr().err


def test_without_a_recording_the_microphone_is_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(SystemExit) as ended:
        run(["talk"])
    assert ended.value.code == 1
    assert "no microphone support" in capsys.readouterr().err
