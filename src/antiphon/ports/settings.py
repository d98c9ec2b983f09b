"""Sections of settings: the settings of one area or one engine each.

A section reads nothing by itself: the application loads it from the environment and the TOML file. An entry point
``antiphon.settings`` names the section of an engine, in a module that loads nothing heavy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr
from pydantic_core import PydanticUseDefault

WEEK_S = 7 * 24 * 3600
"""Maximum of settings in seconds."""
HOUR_MS = 3_600_000
"""Maximum of settings in milliseconds."""
MANY = 10**9
"""Maximum of counts without another bound."""


class Section(BaseModel):
    """Settings of one area or engine. A field ``mine_speed`` is the variable ``ANTIPHON_MINE_SPEED``.

    Names are unique over all sections: those of an engine begin with its name. The first sentence of a section's
    docstring is its heading in the reference.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False)

    old_names: ClassVar[Mapping[str, str]] = {}
    """Former names of fields, each with its present one. They work for one more release, with a warning."""


S = TypeVar("S", bound=Section)


def section_of(values: Mapping[str, Any], section: type[S]) -> S:
    """Return a section made of the ``values`` that belong to it."""
    return section(**{name: values[name] for name in section.model_fields if name in values})


def opened(secret: SecretStr | None) -> str:
    """Return the text of a secret, or an empty string."""
    return secret.get_secret_value() if secret else ""


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _unless_empty(value: object) -> object:
    if value == "":
        raise PydanticUseDefault
    return value


def _check_address(value: str) -> str:
    _ = urlsplit(value).port
    return value


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
"""A comma-separated list in the environment, an array in TOML."""
Secrets = Annotated[tuple[SecretStr, ...], BeforeValidator(_split)]
"""The same for secrets."""
Chosen = Annotated[str, BeforeValidator(_unless_empty)]
"""Text; an empty string means the default."""
Address = Annotated[str, BeforeValidator(_unless_empty), AfterValidator(_check_address)]
"""A URL with a valid port; an empty string means the default."""
