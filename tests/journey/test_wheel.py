"""The package as people install it: a wheel, in an environment that has nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from antiphon.store.schema import HEAD
from tests.serving import STUB_ENVIRONMENT

ROOT = Path(__file__).resolve().parents[2]
UV = Path(sys.executable).with_name("uv")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_wheel_in_an_empty_environment_migrates_serves_and_shows_its_pages(tmp_path: Path) -> None:
    run(UV, "build", "--quiet", "--wheel", "--out-dir", tmp_path / "dist", ROOT)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    run(UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    run(UV, "pip", "install", "--quiet", "--python", python, wheel)
    antiphon = python.with_name("antiphon")
    foreign = ("ANTIPHON_", "COVERAGE", "PYTHON")
    own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    environment = own | STUB_ENVIRONMENT | {"ANTIPHON_DATA_DIR": str(tmp_path / "data")}
    assert run(antiphon, "db", "upgrade", env=environment).startswith(f"schema {HEAD}")
    server = subprocess.Popen([antiphon, "serve", "--port", "0"], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line.startswith("antiphon ready"), line
        url = line.split()[-1]
        for path in ("/docs", "/openapi.json", "/ready"):
            assert httpx.get(f"{url}{path}", timeout=30).status_code == 200, path
    finally:
        server.terminate()
        server.wait(30)
        assert server.stdout is not None
        server.stdout.close()


def run(*command: object, env: dict[str, str] | None = None) -> str:
    """Run a command and return what it printed."""
    done = subprocess.run([str(word) for word in command], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
