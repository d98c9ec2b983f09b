"""First start: downloads the weights of the configured engines."""

from __future__ import annotations

from collections.abc import Collection

from antiphon.app.engines import KINDS
from antiphon.app.settings import Settings
from antiphon.cli.screen import ERR, download_progress
from antiphon.errors import AntiphonError
from antiphon.providers.smollm2.settings import SmolLm2Settings
from antiphon.providers.weights.files import Progress, Weights
from antiphon.providers.whisper.settings import WhisperSettings


def needed(settings: Settings, kinds: Collection[str] = KINDS) -> list[str]:
    """Return the default weights of the configured engines of these kinds."""
    chosen = {name for kind in kinds for name in getattr(settings, kind)}
    whisper = settings.section(WhisperSettings)
    if whisper.whisper_model == "tiny.en" and "whisper" in chosen and whisper.whisper_path is None:
        chosen = chosen - {"whisper"} | {"whisper-tiny"}
    own = {"whisper": whisper.whisper_path, "smollm2": settings.section(SmolLm2Settings).smollm2_path}
    given = {engine for engine, path in own.items() if path is not None}
    table = Weights(settings.data_dir).list()
    return [held.model.name for held in table if held.model.engine in chosen - given]


def pull_missing(settings: Settings, kinds: Collection[str] = KINDS) -> None:
    """Download missing weights, with progress. Print failures; the engine decides whether they are fatal."""
    weights = Weights(settings.data_dir, offline=settings.offline)
    held = {held.model.name: held for held in weights.list()}
    wanted = [name for name in needed(settings, kinds) if not held[name].complete]
    if not wanted or settings.offline:
        return
    with download_progress() as report:
        for name in wanted:
            _pull(weights, [name, held[name].model.instead], report)


def _pull(weights: Weights, names: list[str], report: Progress) -> None:
    """Download the first of ``names`` that is available."""
    for name in filter(None, names):
        try:
            weights.pull(name, report)
        except AntiphonError as error:
            ERR.print(error.message, style="yellow", soft_wrap=True)
        else:
            return
