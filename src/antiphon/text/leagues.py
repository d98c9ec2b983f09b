"""Names of sports leagues that are said letter by letter."""

from __future__ import annotations

import re

LEAGUES = ("NFL", "NBA", "MLB", "NHL")

_LEAGUE = re.compile(rf"\b(?:{'|'.join(LEAGUES)})\b")


def spell_leagues(text: str) -> str:
    """Write ``NFL`` as ``N F L``.

    With spaces, not ``N.F.L.``: its last stop would look like the end of a sentence to whoever splits the text next.
    """
    return _LEAGUE.sub(lambda match: " ".join(match[0]), text)
