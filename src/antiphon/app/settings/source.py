"""Where settings are read from: the environment (``ANTIPHON_…``) and a TOML file (``ANTIPHON_CONFIG``)."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, ValidationError

from antiphon.errors import InvalidRequest
from antiphon.ports.settings import S, Section

PREFIX = "ANTIPHON_"
CONFIG = "ANTIPHON_CONFIG"
_GROUP = "antiphon.settings"


def load(section: type[S], **given: Any) -> S:
    """Return a section with the settings of this process. Raises `InvalidRequest`, which names the wrong variable.

    Settings ``given`` by name override the environment; the environment overrides the TOML file.
    """
    held = {name: value for name, value in read_file().items() if name in section.model_fields}
    try:
        return section(**{**held, **dict(_read_environment(section)), **given})
    except ValidationError as error:
        first = error.errors()[0]
        variable = _variable_of_error(section, first["loc"])
        raise InvalidRequest(f"{variable}: {first['msg'].removeprefix('Value error, ')}", param=variable) from error


def read_file() -> Mapping[str, Any]:
    """Return the settings of the TOML file, if any. Raises `InvalidRequest`, also for unknown names."""
    path, found = _parsed_file()
    if not found:
        return {}
    known = {name for section in known_sections() for name in section.model_fields}
    present = _present_names()
    for name in found:
        if present.get(name, name) not in known:
            raise InvalidRequest(f"{CONFIG}: {path}: there is no setting '{name}'", param=CONFIG)
    former = {present[name]: value for name, value in found.items() if name in present}
    return former | {name: value for name, value in found.items() if name not in present}


def former_names() -> Iterator[tuple[str, str]]:
    """Yield each former name of a setting that the environment or the TOML file uses, with the present one."""
    present = {variable.upper() for variable in os.environ}
    _, in_file = _parsed_file()
    for old, new in _present_names().items():
        variable = f"{PREFIX}{old.upper()}"
        if variable in present:
            yield variable, f"{PREFIX}{new.upper()}"
        if old in in_file:
            yield old, new


def _parsed_file() -> tuple[str, dict[str, Any]]:
    """Return the path and the contents of the TOML file; empty if none is configured."""
    path = os.environ.get(CONFIG, "")
    if not path:
        return "", {}
    try:
        return path, tomllib.loads(Path(path).expanduser().read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"{CONFIG}: {path}: {error}", param=CONFIG) from error


def _present_names() -> dict[str, str]:
    """Map the former names of settings to the present ones."""
    return {old: new for section in known_sections() for old, new in section.old_names.items()}


def engine_sections() -> list[type[Section]]:
    """Return the sections of all installed engines, in the order of their names. Raises `InvalidRequest`."""
    points = sorted(entry_points(group=_GROUP), key=lambda point: point.name)
    try:
        return list(dict.fromkeys(point.load() for point in points))
    except (ImportError, AttributeError) as error:
        raise InvalidRequest(f"the settings of an installed engine cannot be loaded: {error}") from error


def known_sections() -> Iterator[type[Section]]:
    """Yield the sections of installed engines, and all sections defined in imported modules."""
    engine_sections()
    yield from _with_subclasses(Section.__subclasses__())


def variables(section: type[Section], name: str) -> tuple[str, ...]:
    """Return all variables of the setting ``name`` by precedence; those of former names come last."""
    alias = section.model_fields[name].validation_alias
    others = map(str, alias.choices) if isinstance(alias, AliasChoices) else ([alias] if isinstance(alias, str) else [])
    renamed = [base.__dict__.get("old_names", {}) for base in section.__mro__]
    former = (f"{PREFIX}{old.upper()}" for names in renamed for old, new in names.items() if new == name)
    return f"{PREFIX}{name.upper()}", *others, *former


def variables_of(section: type[Section], names: Iterable[str]) -> dict[str, str]:
    """Return the variable that each of ``names`` is read from: the one that is set, or else the `PREFIX` one."""
    present = {variable.upper() for variable in os.environ}
    found = {name: variables(section, name) for name in names}
    return {name: next((one for one in choices if one in present), choices[0]) for name, choices in found.items()}


def _read_environment(section: type[Section]) -> Iterator[tuple[str, str]]:
    """Yield each setting that has a variable; names are case-insensitive."""
    present = {variable.upper(): value for variable, value in os.environ.items()}
    for name in section.model_fields:
        for variable in variables(section, name):
            if variable in present:
                yield name, present[variable]
                break


def _variable_of_error(section: type[Section], place: tuple[int | str, ...]) -> str:
    """Return the variable of a validation error: pydantic names a setting by its first alias, if any."""
    where = str(place[0]) if place else section.__name__
    for name in section.model_fields:
        if where == name or where in variables(section, name):
            return variables_of(section, (name,))[name]
    return where.upper()


def _with_subclasses(sections: Iterable[type[Section]]) -> Iterator[type[Section]]:
    for section in sections:
        yield section
        yield from _with_subclasses(section.__subclasses__())
