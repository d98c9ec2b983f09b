"""Finds unknown environment variables with our prefix, most of them misspelt."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from antiphon.app.settings import known_sections, variables

PREFIX = "ANTIPHON_"
_OTHERS = frozenset({"ANTIPHON_CONFIG", "ANTIPHON_API_KEY"})
"""Known variables that are not settings: the configuration file, and the API key of commands."""
_OF_TESTS = "ANTIPHON_TEST_"


def unknown_variables(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each of the ``names`` that has our prefix but is unknown, with the nearest known one.

    The nearest one is empty if none is similar. Names are case-insensitive, as for settings.
    """
    known = {*_OTHERS, *_variables()}
    for name in sorted(names):
        upper = name.upper()
        if upper.startswith(PREFIX) and upper not in known and not upper.startswith(_OF_TESTS):
            near = difflib.get_close_matches(upper.removeprefix(PREFIX), [one.removeprefix(PREFIX) for one in known], 1)
            yield name, PREFIX + near[0] if near else ""


def _variables() -> Iterator[str]:
    for section in known_sections():
        for name in section.model_fields:
            yield from (variable for variable in variables(section, name) if variable.startswith(PREFIX))
