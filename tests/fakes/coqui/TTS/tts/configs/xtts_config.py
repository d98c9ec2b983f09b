"""The configuration of XTTS, as far as it is read."""

from __future__ import annotations

import json
import os
from pathlib import Path


class XttsConfig:
    model = "xtts"

    def load_json(self, file_name: str | os.PathLike[str]) -> None:
        assert json.loads(Path(file_name).read_text("utf-8"))["model"] == self.model
