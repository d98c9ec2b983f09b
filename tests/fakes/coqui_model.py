"""A folder with what the fake XTTS loads (`tests/fakes/coqui`), and the way to it for a process of its own."""

from __future__ import annotations

import json
import os
from pathlib import Path

PACKAGES = Path(__file__).parent / "coqui"
PYTHONPATH = os.pathsep.join((str(PACKAGES), str(PACKAGES / "child")))
"""For the process: there, and only there, PyTorch is no real one either."""

SPEAKERS = ("Ana Florence", "Claribel Dervla", "Daisy Studious")


def write_model(folder: Path) -> Path:
    """Write the files of a model; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model": "xtts"}))
    (folder / "model.pth").write_bytes(b"weights")
    (folder / "vocab.json").write_text("{}")
    (folder / "speakers_xtts.pth").write_text(json.dumps(SPEAKERS))
    return folder
