"""A server of the command's own: its settings, and what is said when it does not start."""

from __future__ import annotations

import asyncio
import signal

import pytest

from antiphon.cli import dub_server
from antiphon.cli.dub_server import environment, own_server, stop
from antiphon.errors import ProviderUnavailable

pytestmark = pytest.mark.usefixtures("stubs")


def test_it_takes_the_users_settings_but_for_what_dubbing_does_not_need() -> None:
    given = {
        "ANTIPHON_TTS": "piper",
        "ANTIPHON_LLM": "openai",
        "ANTIPHON_API_KEYS": "sk-mine-0123456789abc",
        "HOME": "/home/me",
    }
    settings = environment(given, "sk-ours", live=False)
    assert (settings["ANTIPHON_TTS"], settings["HOME"]) == ("piper", "/home/me")
    assert settings["ANTIPHON_LLM"] == "rules"
    assert settings["ANTIPHON_API_KEYS"] == "sk-ours"
    assert settings["ANTIPHON_DUBBING_FRAGMENTS_PER_MIN"] == "0"


def test_stages_have_more_time_where_nobody_listens_yet_unless_the_user_says_otherwise() -> None:
    name = "ANTIPHON_DUBBING_ASR_TIMEOUT_MS"
    assert environment({}, "", live=False)[name] == "30000"
    assert environment({name: "700"}, "", live=False)[name] == "700"
    assert name not in environment({}, "", live=True)


async def test_a_server_that_does_not_start_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANTIPHON_CONFIG", "/nowhere.toml")
    with pytest.raises(ProviderUnavailable, match="antiphon doctor"):
        async with own_server(live=False):
            pass
    assert "ANTIPHON_CONFIG" in capfd.readouterr().err


async def started(script: str) -> asyncio.subprocess.Process:
    """Run a script of the shell until it says something."""
    process = await asyncio.create_subprocess_exec("sh", "-c", script, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    return process


async def test_a_server_that_does_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dub_server, "STOP_S", 0.1)
    process = await started("trap '' TERM; echo ready; while :; do sleep 0.05; done")
    await stop(process)
    assert process.returncode == -signal.SIGKILL


async def test_a_server_that_has_ended_by_itself_is_no_error() -> None:
    process = await started("echo ready; exit 7")
    await process.wait()
    await stop(process)
    assert process.returncode == 7
