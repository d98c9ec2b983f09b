"""Environment variables with our prefix that no setting reads: most are misspelt."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from antiphon.app.settings import known_sections, variables

PREFIX = "ANTIPHON_"
_OTHERS = frozenset({"ANTIPHON_CONFIG", "ANTIPHON_API_KEY"})
"""Read beside the settings: the file of them, and the key with which a command calls a server."""
_OF_TESTS = "ANTIPHON_TEST_"


def unknown_variables(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each of the ``names`` that begins like a setting's variable and is none, with the nearest one.

    The nearest one is empty where none is near. As with settings, upper and lower case are the same.
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
