"""A server of the command's own: its settings, and what is said when it does not start."""

from __future__ import annotations

import signal

import pytest

from antiphon.cli import dub_server
from antiphon.cli.dub_server import environment, own_server
from antiphon.errors import ProviderUnavailable

pytestmark = pytest.mark.usefixtures("stubs")


def test_it_takes_the_users_settings_but_for_what_dubbing_does_not_need() -> None:
    given = {"ANTIPHON_TTS": "piper", "ANTIPHON_LLM": "openai", "ANTIPHON_API_KEYS": "sk-mine", "HOME": "/home/me"}
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
    monkeypatch.setenv("ANTIPHON_TTS", "nobody")
    with pytest.raises(ProviderUnavailable, match="antiphon doctor"):
        async with own_server(live=False):
            pass
    assert "installed are" in capfd.readouterr().err


async def test_a_server_that_does_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dub_server, "STOP_S", 0.1)
    async with own_server(live=True) as (url, key):
        assert url.startswith("http://127.0.0.1:")
        assert len(key) > 20
        (child,) = dub_server.running()
        child.send_signal(signal.SIGSTOP)  # it hears of the end when it goes on, and that is never
    assert child.returncode == -signal.SIGKILL
