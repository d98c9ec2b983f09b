"""Settings: one section for each area of this process, and those of the installed engines."""

from antiphon.app.settings.process import Settings, load_settings, sections, settings_class, variable_of
from antiphon.app.settings.secrecy import others_may_read, secrets_of, weakened
from antiphon.app.settings.source import former_names, known_sections, load, variables, variables_of
from antiphon.app.settings.storage import default_data_dir

__all__ = [
    "Settings",
    "default_data_dir",
    "former_names",
    "known_sections",
    "load",
    "load_settings",
    "others_may_read",
    "secrets_of",
    "sections",
    "settings_class",
    "variable_of",
    "variables",
    "variables_of",
    "weakened",
]
