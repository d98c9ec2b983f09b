"""``antiphon doctor``: what works here, and the command that mends what does not."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from antiphon.cli.doctor import KINDS
from antiphon.cli.main import run
from antiphon.version import VERSION
from tests.valkey import valkey

pytestmark = pytest.mark.usefixtures("stubs")


def examine(
    capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the report, and its findings by what was looked at."""
    with pytest.raises(SystemExit) as ended:
        run(["doctor", "--json", *(arguments or ("--port", "0"))])
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert (ended.value.code, said.err) == (code, "")
    assert report["ok"] is (code == 0)
    return report, {finding["what"]: finding for finding in report["findings"]}


def test_a_machine_on_which_all_is_well(stubs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report, findings = examine(capsys)
    assert report["version"] == VERSION
    assert all(finding["ok"] and not finding["mend"] for finding in findings.values())
    assert findings["data directory"]["detail"] == str(stubs)
    assert findings["port"]["detail"] == "127.0.0.1:0 is free"
    assert set(findings) >= {"python", "cores", "embedded engines", "data directory", "port"}
    assert set(findings) >= {f"engine {kind} (stub)" for kind in KINDS}
    assert not any(what.startswith("weights") for what in findings), "the stubs need none"


def test_a_port_in_use_is_told_with_the_command_that_takes_another(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        _, findings = examine(capsys, "--port", str(port), code=1)
    assert not findings["port"]["ok"]
    assert findings["port"]["mend"] == f"antiphon serve --port {port + 1}"


def test_a_data_directory_that_is_missing_is_made_for_its_user_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = os.umask(0o022)
    examine(capsys, "--port", "0", "--data-dir", str(tmp_path / "share/antiphon"))
    os.umask(before)
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("share", "share/antiphon")} == {0o700}


def test_a_data_directory_that_cannot_be_written_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    _, findings = examine(capsys, "--port", "0", "--data-dir", "/proc/antiphon", code=1)
    assert findings["data directory"]["mend"] == "set ANTIPHON_DATA_DIR"


def test_packages_that_are_missing_are_told_with_the_command_that_installs_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "hibari" else found(name))
    _, findings = examine(capsys, code=1)
    assert findings["embedded engines"]["detail"] == "not installed: hibari"
    assert findings["embedded engines"]["mend"] == "pip install 'antiphon[local]'"


def test_weights_that_are_not_here_are_told_with_the_command_that_brings_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTIPHON_STT", "whisper")
    monkeypatch.setenv("ANTIPHON_VAD", "silero")
    _, findings = examine(capsys, code=1)
    assert findings["weights whisper-base"]["mend"] == "antiphon models pull whisper-base"
    assert findings["weights silero-vad"]["mend"] == "antiphon models pull silero-vad"
    assert not findings["engine stt (whisper)"]["ok"]
    assert findings["engine stt (whisper)"]["mend"] == "choose another with ANTIPHON_STT"
    assert findings["engine tts (stub)"]["ok"]


def test_an_engine_that_is_not_there_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTIPHON_LLM", "nope")
    _, findings = examine(capsys, code=1)
    assert "nope" in findings["engine llm (nope)"]["detail"]


def test_as_text_each_finding_is_a_line_and_what_mends_it_follows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "av" else found(name))
    with pytest.raises(SystemExit) as ended:
        run(["doctor", "--port", "0"])
    assert ended.value.code == 1
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("FAIL embedded engines: not installed: av")
    assert lines[at + 1] == "     fix: pip install 'antiphon[local]'"
    assert sum(line.startswith("ok  ") for line in lines) == len(lines) - 2


def test_a_fleet_has_its_redis_looked_at(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with valkey() as server:
        monkeypatch.setenv("ANTIPHON_REDIS_URL", server.url)
        _, findings = examine(capsys)
        assert findings["redis"]["ok"]
        assert findings["redis memory"]["detail"].startswith("maxmemory is not set")
        assert findings["redis memory"]["mend"].startswith("set maxmemory")
    monkeypatch.setenv("ANTIPHON_REDIS_TIMEOUT_S", "0.2")
    _, findings = examine(capsys, code=1)
    assert findings["redis"]["mend"] == "start Redis, or set ANTIPHON_REDIS_URL"
    monkeypatch.setenv("ANTIPHON_REDIS_URL", "redis://127.0.0.1:port")
    _, findings = examine(capsys, code=1)
    assert "ANTIPHON_REDIS_URL" in findings["redis"]["detail"]
