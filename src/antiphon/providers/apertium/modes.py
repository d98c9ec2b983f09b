"""The language pairs of an installed Apertium, and the pipeline of programs of each."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from antiphon.text.language_tags import parts

MODE_FOLDERS = (Path("/usr/share/apertium/modes"), Path("/usr/local/share/apertium/modes"))
"""Folders of installed modes: one file per direction, with one shell command line."""

_FIRST_PROGRAM = "lt-proc"
_MODE = re.compile(r"([a-z]{2,3})(?:_\w+)?-([a-z]{2,3})(?:_(\w+))?")
_PROGRAM = re.compile(r"^(?:\S*/)?(?:lt-proc|lrx-proc|lsx-proc|rtx-proc|cg-proc|hfst-proc|apertium-[\w-]+)(?=\s|$)")

_ISO_639_1: Mapping[str, tuple[str, ...]] = {
    "afr": ("af",),
    "arg": ("an",),
    "bel": ("be",),
    "bre": ("br",),
    "bul": ("bg",),
    "cat": ("ca",),
    "cym": ("cy",),
    "dan": ("da",),
    "deu": ("de",),
    "eng": ("en",),
    "epo": ("eo",),
    "eus": ("eu",),
    "fra": ("fr",),
    "glg": ("gl",),
    "hbs": ("hr", "sr", "bs", "sh"),
    "hin": ("hi",),
    "ind": ("id",),
    "isl": ("is",),
    "ita": ("it",),
    "kaz": ("kk",),
    "mkd": ("mk",),
    "mlt": ("mt",),
    "msa": ("ms",),
    "nld": ("nl",),
    "nno": ("nn",),
    "nob": ("nb", "no"),
    "nor": ("no",),
    "oci": ("oc",),
    "pol": ("pl",),
    "por": ("pt",),
    "ron": ("ro",),
    "rus": ("ru",),
    "slv": ("sl",),
    "sme": ("se",),
    "spa": ("es",),
    "srd": ("sc",),
    "swe": ("sv",),
    "tat": ("tt",),
    "ukr": ("uk",),
    "urd": ("ur",),
    "zlm": ("ms",),
}
"""ISO 639-3, as most modes are named, to ISO 639-1 (published by SIL); languages of Apertium's released pairs."""


@dataclass(frozen=True, slots=True)
class Mode:
    """One direction."""

    name: str
    """As it is installed: ``eng-spa``."""
    line: str
    """The shell pipeline; ``$1`` is an option of its last program but one."""


class Modes:
    """The installed directions. A variant of a target (``eng_US``) is one of its regions."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._found: dict[tuple[str, str, str], Mode] = {}
        files = sorted(path for folder in folders for path in folder.glob("*.mode"))
        for path in files if shutil.which(_FIRST_PROGRAM) else ():
            if match := _MODE.fullmatch(path.stem):
                self._add(*match.groups(default=""), mode=Mode(path.stem, pipeline(path.read_text("utf-8"))))

    @property
    def languages(self) -> tuple[str, ...]:
        """All languages of any direction, as ISO 639-1, sorted."""
        return tuple(sorted({language for source, target, _ in self._found for language in (source, target)}))

    def find(self, source: str | None, target: str) -> Mode | None:
        """Return a direction, for the target's region if installed, or None.

        Languages are not detected: without a source there is no direction.
        """
        language, _ = parts(source or "")
        into, region = parts(target)
        return self._found.get((language, into, region)) or self._found.get((language, into, ""))

    def _add(self, source: str, target: str, variant: str, *, mode: Mode) -> None:
        for language in _ISO_639_1.get(source, (source,)):
            for into in _ISO_639_1.get(target, (target,)):
                self._found[language, into, variant.lower()] = mode
                self._found.setdefault((language, into, ""), mode)


def pipeline(mode: str) -> str:
    """Return the shell line of a mode with the option that makes each program flush at every NUL.

    ``apertium -z`` does not: version 3.8.3 wraps the line in gawk with a record separator that makes gawk
    wait beyond the NUL.
    """
    programs = (part.strip() for part in mode.strip().split(" | "))
    return " | ".join(_PROGRAM.sub(r"\g<0> -z", program) for program in programs)
