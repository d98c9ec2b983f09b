"""``antiphon serve``: what it refuses, in one line that says what to do, and how it starts and stops."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from urllib.request import urlopen

import pytest

from antiphon.cli.main import run
from antiphon.doors.server.tls import self_signed

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
    ({"api_keys": "a"}, "ANTIPHON_API_KEYS: a key is shorter than 16 characters"),
    ({"api_keys": f"{'k' * 16},{'k' * 15}"}, "ANTIPHON_API_KEYS: a key is shorter than 16 characters"),
    ({"api_keys": "ek_0123456789abcdef"}, "ANTIPHON_API_KEYS: a key begins with 'ek_'"),
    ({"config": "/nowhere.toml"}, "ANTIPHON_CONFIG"),
    ({"stt": "whisper", "offline": "true"}, "antiphon models pull whisper-base"),
])  # fmt: skip
def test_a_wrong_setting_is_one_line_that_says_what_to_do(
    settings: dict[str, str], hint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hint in refused(monkeypatch, capsys, **settings)


@pytest.mark.parametrize(("arguments", "hint"), [
    (["--roles", "singer"], "Unknown role 'singer'"),
    (["--roles", "gateway"], "ANTIPHON_REDIS_URL is not set"),
    (["--tls-cert", "cert.pem"], "must be given together"),
    (["--tls-key", "key.pem"], "must be given together"),
    (["--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.pem"], "certificate or key cannot be used"),
    (["--data-dir", "/proc/antiphon"], "--data-dir"),
    (["--port", "99999"], "port is 99999; it must be 0 to 65535"),
    (["--port", "65536"], "port is 65536; it must be 0 to 65535"),
    (["--port", "-1"], "port is -1; it must be 0 to 65535"),
])  # fmt: skip
def test_a_wrong_argument_is_one_line_that_says_what_to_do(
    arguments: list[str], hint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hint in refused(monkeypatch, capsys, *arguments)


@pytest.mark.parametrize("words", [
    ["worker", "speak", "--port", "99999"],
    ["doctor", "--port", "65536"],
    ["talk", "nothing.wav", "--url", "http://127.0.0.1:99999"],
    ["talk", "nothing.wav", "--url", "http://127.0.0.1:0"],
    ["dub", "nothing.wav", "--to", "es", "--url", "http://127.0.0.1:65536"],
    ["dub", "nothing.wav", "--to", "es", "--max-inflight", "11"],
    ["dub", "nothing.wav", "--to", "es", "--keep-original-volume", "nan"],
])  # fmt: skip
def test_a_number_out_of_range_is_one_line_that_names_its_option(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(words)
    said = capsys.readouterr()
    name = words[-2].removeprefix("--").replace("-", "_")
    assert (ended.value.code, said.out, len(said.err.splitlines())) == (1, "", 1)
    assert said.err.startswith(f"antiphon: {name} is {words[-1]}")


def test_a_variable_that_is_no_setting_is_told_at_the_start_with_the_nearest_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ANTIPHON_REALTIME_VOCIE", "antiphon_offlin", "ANTIPHON_QQQQ", "ANTIPHON_TTS\x1b[31m"):
        monkeypatch.setenv(name, "a secret")
    monkeypatch.setenv("ANTIPHON_API_KEY", "that of the commands that call a server")
    with pytest.raises(SystemExit):
        run(["serve", "--host", "0.0.0.0"])
    said = capsys.readouterr()
    told = [line for line in said.err.splitlines() if "is not a setting" in line]
    assert told == [
        "antiphon: ANTIPHON_QQQQ is not a setting and is ignored: no setting has a similar name",
        "antiphon: ANTIPHON_REALTIME_VOCIE is not a setting and is ignored: did you mean ANTIPHON_REALTIME_VOICE?",
        "antiphon: ANTIPHON_TTS\\x1b[31m is not a setting and is ignored: no setting has a similar name",
        "antiphon: antiphon_offlin is not a setting and is ignored: did you mean ANTIPHON_OFFLINE?",
    ]
    assert "a secret" not in said.err


def test_a_port_in_use_is_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"127.0.0.1:{port}" in refused(monkeypatch, capsys, "--port", port)


def warned(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """Return the options that a server with a key warns of, up to the moment when it finds that its port is in use."""
    monkeypatch.setenv("ANTIPHON_API_KEYS", "sk-test-of-serve")
    with socket.create_server(("", 0)) as taken, pytest.raises(SystemExit):
        run(["serve", "--port", str(taken.getsockname()[1]), *arguments])
    *logged, last = capsys.readouterr().err.splitlines()
    assert last.startswith("antiphon: ")
    return [line["name"] for line in map(json.loads, logged) if line["message"] == "setting weakens security"]


@pytest.mark.parametrize(("host", "names"), [("127.0.0.1", []), ("0.0.0.0", ["--host"])])
def test_keys_in_the_clear_are_said_once_at_the_start(
    host: str, names: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert warned(monkeypatch, capsys, "--host", host) == names


ADDRESSES = {
    "ANTIPHON_OPENAI_BASE_URL": "ANTIPHON_OPENAI_API_KEY",
    "ANTIPHON_ANTHROPIC_BASE_URL": "ANTIPHON_ANTHROPIC_API_KEY",
    "ANTIPHON_ELEVENLABS_BASE_URL": "ANTIPHON_ELEVENLABS_API_KEY",
    "ANTIPHON_DEEPL_SERVER_URL": "ANTIPHON_DEEPL_API_KEY",
}


@pytest.mark.parametrize(("where", "key", "warns"), [
    ("http://u:password@models.example:8000/v1", "key-of-a-service", True),
    ("http://models.example:8000/v1", "", False),
    ("https://models.example/v1", "key-of-a-service", False),
    ("http://[::1]:8000/v1", "key-of-a-service", False),
])  # fmt: skip
def test_a_key_that_goes_to_a_service_in_the_clear_is_said_at_the_start(
    where: str,
    key: str,
    warns: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for address, name in ADDRESSES.items():
        monkeypatch.setenv(address, where)
        if key:
            monkeypatch.setenv(name, key)
    assert sorted(warned(monkeypatch, capsys)) == sorted(ADDRESSES) * warns


def test_the_data_directory_is_for_its_owner_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stubs: Path
) -> None:
    before = os.umask(0o022)
    try:
        warned(monkeypatch, capsys)
    finally:
        os.umask(before)
    assert stubs.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(("mode", "names"), [(0o600, []), (0o640, ["--tls-key"]), (0o604, ["--tls-key"])])
def test_a_key_of_tls_that_others_may_read_is_said_at_the_start(
    mode: int, names: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    files = self_signed(tmp_path, time.time())
    files.key.chmod(mode)
    given = ("--tls-cert", str(files.cert), "--tls-key", str(files.key))
    assert warned(monkeypatch, capsys, "--host", "0.0.0.0", *given) == names


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
    assert "ANTIPHON_API_KEYS is not set" in errors
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
    assert "ANTIPHON_API_KEYS is not set" not in errors
    assert "sk-test-of-serve" not in errors
    assert "setting weakens security" not in errors
