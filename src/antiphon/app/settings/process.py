"""All settings of a process: those of every area and of every installed engine."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from pydantic import create_model

from antiphon.app.settings.blobs import BlobSettings
from antiphon.app.settings.dubbing import DubbingSettings
from antiphon.app.settings.engines import EngineSettings
from antiphon.app.settings.events import EventSettings
from antiphon.app.settings.fleet import FleetSettings
from antiphon.app.settings.limits import LimitSettings
from antiphon.app.settings.logs import LogSettings
from antiphon.app.settings.realtime import RealtimeSettings
from antiphon.app.settings.server import ServerSettings
from antiphon.app.settings.source import engine_sections, load, variables_of
from antiphon.app.settings.speech import SpeechSettings
from antiphon.app.settings.storage import StorageSettings
from antiphon.app.settings.webhooks import WebhookSettings
from antiphon.errors import InvalidRequest
from antiphon.ports.settings import S, Section, section_of
from antiphon.ports.workers import WorkerSettings


class Settings(
    StorageSettings,
    LogSettings,
    ServerSettings,
    LimitSettings,
    EngineSettings,
    WorkerSettings,
    RealtimeSettings,
    SpeechSettings,
    DubbingSettings,
    FleetSettings,
    EventSettings,
    BlobSettings,
    WebhookSettings,
):
    """The settings of all areas, by name; `load_settings` adds those of the installed engines."""

    def section(self, section: type[S]) -> S:
        """Return the settings of one area or engine."""
        return section_of(dict(self), section)


def load_settings(**given: Any) -> Settings:
    """Return the settings of this process. Raises `InvalidRequest`, which names the variable that is wrong."""
    return load(settings_class(), **given)


def settings_class() -> type[Settings]:
    """Return `Settings` with those of the installed engines. Raises `InvalidRequest`."""
    return _joined(tuple(engine_sections()))


def sections() -> tuple[type[Section], ...]:
    """Return every section of this process: areas first, then engines."""
    return (*(base for base in Settings.__bases__ if issubclass(base, Section)), *engine_sections())


def variable_of(name: str) -> str:
    """Return the variable that the setting ``name`` is read from: the one that is set, or else our own."""
    return variables_of(settings_class(), (name,))[name]


@cache
def _joined(engines: tuple[type[Section], ...]) -> type[Settings]:
    owners: dict[str, type[Section]] = dict.fromkeys(Settings.model_fields, Settings)
    for section in engines:
        for name in section.model_fields:
            owner = owners.setdefault(name, section)
            if owner is not section:
                raise InvalidRequest(f"the setting '{name}' is in {owner.__module__} and in {section.__module__}")
    return cast("type[Settings]", create_model("Settings", __base__=(Settings, *engines)))
