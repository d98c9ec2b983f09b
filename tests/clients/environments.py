"""The environment of each client: locked, kept in a cache under the hash of its lock, never the server's own.

python tests/clients/environments.py   makes those of the clients that `make test` runs
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
STAGE = HERE / "stage"


class InstallError(Exception):
    """An environment could not be made; says what the installer said."""


@dataclass(frozen=True)
class Client:
    """A client library under test, and the folder of its script and lock."""

    name: str
    folder: str
    lock: str
    wants_tls: bool = False

    @property
    def is_node(self) -> bool:
        """True for a client that runs in Node."""
        return self.lock == "package-lock.json"


CLIENTS = (
    Client("openai-python", "openai_python", "requirements.txt"),
    Client("openai-node", "openai_node", "package-lock.json", wants_tls=True),
    Client("agents-js", "agents_js", "package-lock.json"),
    Client("pipecat", "pipecat", "requirements.txt"),
    Client("livekit", "livekit", "requirements.txt"),
)

DUBBING_JS = Client("dubbing-js", "dubbing_js", "package-lock.json")
OLDEST_NODE = 20


def clients_here() -> list[Client]:
    """Return the clients of `CLIENTS` that ``make test`` runs on this machine: without the two heavy ones."""
    if not shutil.which("node") or not shutil.which("npm"):
        return [CLIENTS[0]]
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    is_new = int(version.removeprefix("v").split(".")[0]) >= OLDEST_NODE
    return [client for client in CLIENTS[:3] if is_new or not client.is_node]


def cache_dir() -> Path:
    """Return ``$XDG_CACHE_HOME/antiphon-clients``, by default ``~/.cache/antiphon-clients``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "antiphon-clients"


def prepare(client: Client, cache: Path) -> Path:
    """Return the client's environment, made now unless one with this lock is in the cache."""
    runtime = "node" if client.is_node else f"python{sys.version_info.major}.{sys.version_info.minor}"
    lock = (HERE / client.folder / client.lock).read_bytes()
    home = cache / f"{client.name}-{runtime}-{hashlib.sha256(lock).hexdigest()[:16]}"
    if (home / "complete").exists():
        return home
    shutil.rmtree(home, ignore_errors=True)  # an installation that was broken off
    home.mkdir(parents=True)
    (_npm if client.is_node else _python)(client, home)
    (home / "complete").touch()
    return home


def command(client: Client, home: Path, scratch: Path) -> list[str]:
    """Return the command that runs the client's script; ``scratch`` is an empty folder of this run."""
    if not client.is_node:
        return [str(home / "bin" / "python"), str(HERE / client.folder / "client.py")]
    # Node looks for packages beside the script, so the script goes where they are, not they to the script.
    shutil.copytree(STAGE, scratch / "stage", ignore=shutil.ignore_patterns("__pycache__"))
    place = scratch / client.folder
    place.mkdir()
    shutil.copy(HERE / client.folder / "client.mjs", place)
    (place / "node_modules").symlink_to(home / "node_modules")
    return ["node", str(place / "client.mjs")]


def _python(client: Client, home: Path) -> None:
    requirements = str(HERE / client.folder / client.lock)
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    python = str(home / "bin" / "python")
    if uv:
        _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(home)])
        _run([uv, "pip", "sync", "--quiet", "--python", python, "--require-hashes", requirements])
    else:
        _run([sys.executable, "-m", "venv", str(home)])
        _run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", requirements])


def _npm(client: Client, home: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / client.folder / name, home)
    _run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=home)


def _run(arguments: list[str], cwd: Path | None = None) -> None:
    done = subprocess.run(arguments, cwd=cwd, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise InstallError(f"{' '.join(arguments)}: {done.stderr.strip()[-2000:]}")


if __name__ == "__main__":
    for each in [*clients_here(), *([DUBBING_JS] if shutil.which("npm") else [])]:
        prepare(each, cache_dir())
