"""The library's own download: the model is there at once, in the folder that ``COQUI_FAKE_HUB`` names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


class ModelManager:
    def __init__(
        self,
        models_file: str | os.PathLike[str] | None = None,
        output_prefix: str | os.PathLike[str] | None = None,
        progress_bar: bool = False,
    ) -> None:
        assert not progress_bar

    def download_model(self, model_name: str) -> tuple[Path, Path | None, dict[str, Any]]:
        assert model_name == "tts_models/multilingual/multi-dataset/xtts_v2"
        if os.environ.get("COQUI_TOS_AGREED") != "1":
            input("   > ")  # as the real one asks
        folder = Path(os.environ["COQUI_FAKE_HUB"])
        return folder / "model.pth", folder / "config.json", {"license": "CPML"}
