"""``antiphon serve``: what it refuses, in one line that says what to do, and how it starts and stops."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from urllib.request import urlopen

import pytest

from antiphon.cli.main import run

pytestmark = pytest.mark.usefixtures("stubs")


def refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str, **settings: str
) -> str:
    """Serve in this process and return the one line on stderr."""
    for name, value in settings.items():
        monkeypatch.setenv(f"ANTIPHON_{name.upper()}", value)
    with pytest.raises(SystemExit) as ended:
        run(["serve", *(["--port", "0"] if "--port" not in arguments else []), *arguments])
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert len(lines) == 1, said.err
    assert lines[0].startswith("antiphon: ")
    return lines[0]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_an_address_beyond_this_machine_needs_a_key_before_anything_is_made(
    host: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = refused(monkeypatch, capsys, "--host", host)
    assert host in line
    assert "ANTIPHON_API_KEYS" in line
    assert not (tmp_path / "data").exists()


def test_blank_keys_are_no_keys(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert "ANTIPHON_API_KEYS" in refused(monkeypatch, capsys, "--host", "0.0.0.0", api_keys=" , ")


@pytest.mark.parametrize(("settings", "hint"), [
    ({"llm": "nope"}, "installed are"),
    ({"log_levels": "gateway"}, "ANTIPHON_LOG_LEVELS: write levels as area=level"),
    ({"bus_lease_s": "0"}, "ANTIPHON_BUS_LEASE_S"),
    ({"secret_key": "short"}, "ANTIPHON_SECRET_KEY"),
    ({"config": "/nowhere.toml"}, "ANTIPHON_CONFIG"),
    ({"stt": "whisper", "offline": "true"}, "antiphon models pull whisper-base"),
])  # fmt: skip
def test_a_wrong_setting_is_one_line_that_says_what_to_do(
    settings: dict[str, str], hint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hint in refused(monkeypatch, capsys, **settings)


@pytest.mark.parametrize(("arguments", "hint"), [
    (["--roles", "singer"], "There is no role 'singer'"),
    (["--roles", "gateway"], "ANTIPHON_REDIS_URL is not set"),
    (["--tls-cert", "cert.pem"], "go together"),
    (["--tls-key", "key.pem"], "go together"),
    (["--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.pem"], "certificate or key cannot be used"),
    (["--data-dir", "/proc/antiphon"], "--data-dir"),
])  # fmt: skip
def test_a_wrong_argument_is_one_line_that_says_what_to_do(
    arguments: list[str], hint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hint in refused(monkeypatch, capsys, *arguments)


def test_a_port_in_use_is_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"127.0.0.1:{port}" in refused(monkeypatch, capsys, "--port", port)


@contextlib.contextmanager
def started(*arguments: str, **environment: str) -> Generator[subprocess.Popen[str]]:
    """Serve in a process of its own until the block ends."""
    with subprocess.Popen(
        [sys.executable, "-m", "antiphon", "serve", "--port", "0", *arguments],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ready_url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("antiphon ready "), line
    return line.split()[2]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_open_server_says_so_is_ready_and_stops_when_told(number: signal.Signals) -> None:
    with started() as process:
        url = ready_url(process)
        assert url.startswith("http://127.0.0.1:")
        with urlopen(f"{url}/health", timeout=10) as answer:
            assert answer.status == 200
        process.send_signal(number)
        rest, errors = process.communicate(timeout=30)
    assert rest == ""
    assert "no ANTIPHON_API_KEYS are set" in errors
    assert process.returncode == 0


def test_with_a_key_and_a_certificate_of_its_own_it_serves_https(tmp_path: Path) -> None:
    with started("--tls-self-signed", ANTIPHON_API_KEYS="sk-test-of-serve") as process:
        url = ready_url(process)
        assert url.startswith("https://127.0.0.1:")
        trusted = ssl.create_default_context(cafile=str(tmp_path / "data" / "tls" / "cert.pem"))
        with urlopen(f"{url}/ready", timeout=10, context=trusted) as answer:
            assert answer.status == 200
        process.terminate()
        _, errors = process.communicate(timeout=30)
    assert "no ANTIPHON_API_KEYS" not in errors
    assert "sk-test-of-serve" not in errors
